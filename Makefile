# 听诉 tingsu. `make help` lists everything; `make run` and `make test` need nothing but git, make and a Python.
PYTHON ?= python3
VENV := .venv/bin
BOT_PYTHON := PYTHONPATH=bot/stand_ins:. OMP_NUM_THREADS=1 bot/.venv/bin/python
FILE ?= ../shared/labels/dev.jsonl

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format train understand evaluate bench chaos rotate-keys anonymise person-export person-delete audit-verify reindex backup restore renumber downgrade bench-tickets reconcile lock spacy-model clean

help: ## 列出所有命令
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## 准备环境、网页和模型（run 和 test 会自动做）
	@$(PYTHON) launcher/setup.py

run: setup ## 启动整套服务，打印地址；Ctrl-C 停止
	@exec $(VENV)/python -m launcher.run

test: setup ## 跑全部测试（两个环境、对话、浏览器），最后一行是总数
	@$(VENV)/python -m launcher.test

lint: ## 静态检查：ruff、mypy、模块边界、训练数据、网页
	@$(PYTHON) launcher/setup.py --only environments >&2
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(BOT_PYTHON) -m mypy --config-file bot/pyproject.toml bot
	$(BOT_PYTHON) -m bot.nlu.check_data data/nlu
	@$(PYTHON) launcher/setup.py --only web >&2
	cd web && PATH="$(CURDIR)/$(VENV):$$PATH" npm run --silent lint

format: ## 按约定排版代码
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

train: ## 输入有变化时训练模型
	@$(PYTHON) launcher/setup.py --only model

understand: ## 离线理解：make understand < in.jsonl > out.jsonl
	@$(BOT_PYTHON) -m bot.understand

evaluate: ## 给标注文件打分：make evaluate FILE=labelled.jsonl
	@$(VENV)/python -m benchmarks.evaluate $(FILE)

bench: setup ## 与原装 Rasa 中文流水线同场比较速度（约 40 分钟，多半是原装的训练）
	@$(VENV)/python -m benchmarks.speed

bench-tickets: setup ## 造一百万张工单，量查询、检索和登记的速度；COUNT=张数 STORE=sqlite|postgresql
	@$(VENV)/python -m benchmarks.tickets $(if $(COUNT),--count $(COUNT)) $(if $(STORE),--store $(STORE))

rotate-keys: ## 更换个人信息的加密密钥（服务可以照常运行；中断后再运行一次即可）
	@$(VENV)/python -m api.commands.rotate_keys $(ARGS)

backup: ## 备份数据库和材料（服务可以照常运行）；TO=目录
	@$(VENV)/python -m api.commands.backup $(if $(TO),--to $(TO))

restore: ## 恢复备份（先停止服务）：make restore FILE=备份文件；FORCE=1 换掉现有数据
	@test "$(origin FILE)" = "command line" || { echo "请写明恢复哪个文件：make restore FILE=备份文件" >&2; exit 1; }
	@$(VENV)/python -m api.commands.restore $(FILE) $(if $(FORCE),--force)

renumber: ## 用别的办法把数据库退回旧状态之后，错开编号（先停止服务；make restore 自己会做）
	@$(VENV)/python -m api.commands.renumber

downgrade: ## 把数据库结构退回旧版本（先停止服务、先备份）：make downgrade TO=0020
	@$(VENV)/python -m api.commands.downgrade $(TO)

reindex: ## 补齐工单的检索索引；ALL=1 丢掉重建
	@$(VENV)/python -m api.commands.reindex $(if $(ALL),--all)

audit-verify: ## 核验审计链；ANCHOR=以前印出的锚点
	@$(VENV)/python -m api.commands.audit_verify $(if $(ANCHOR),--anchor $(ANCHOR))

chaos: setup ## 边办工单边出故障：ARGS="--rounds 200 --store sqlite"，数一数丢了没有、重了没有
	@$(VENV)/python -m benchmarks.chaos $(ARGS)

anonymise: ## 按保存期限去除个人信息（每晚自动做；ARGS=--dry-run 只数不改）
	@$(VENV)/python -m api.commands.anonymise $(ARGS)

person-export: ## 导出一个人的个人信息：TICKET=工单号（不给则询问手机号），ONLY="工单号 …"（几个人共用手机号时），OUT=文件
	@$(VENV)/python -m api.commands.person export $(if $(TICKET),--ticket $(TICKET)) $(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out "$(OUT)")

person-delete: ## 删除一个人的个人信息：TICKET=工单号（不给则询问手机号），ONLY="工单号 …"（几个人共用手机号时）
	@$(VENV)/python -m api.commands.person delete $(if $(TICKET),--ticket $(TICKET)) $(if $(ONLY),--only $(ONLY))

reconcile: ## 对接核对：发生的变更是否都送出、都收到；缺的补发
	@$(VENV)/python -m api.commands.reconcile

lock: ## 按 pyproject.toml 重新锁定两个环境的版本
	@$(PYTHON) launcher/lock.py

spacy-model: ## 可选：下载 zh_core_web_sm（下载不到时继续用自带流水线）
	@$(PYTHON) launcher/spacy_model.py

clean: ## 删除环境、构建结果和模型（不动数据目录）
	rm -rf .venv .tools bot/.venv web/node_modules web/dist models .rasa
