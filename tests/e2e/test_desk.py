"""The back office reads the ticket, live."""

import uuid

from playwright.sync_api import Browser, Page, expect

from tests.dialogue.customer import Customer
from tests.e2e.conftest import DESKTOP
from tests.running_stack import ADMIN_PASSWORD


def desk(browser: Browser, base_url: str) -> Page:
    context = browser.new_context(base_url=base_url, viewport=DESKTOP, locale="zh-CN", timezone_id="Asia/Shanghai")
    return context.new_page()


def log_in(page: Page, password: str = ADMIN_PASSWORD) -> None:
    page.goto("/desk/")
    page.get_by_label("账号").fill("admin")
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()


def file_complaint(base_url: str) -> str:
    customer = Customer(base_url)
    phone = f"136{uuid.uuid4().int % 10**8:08d}"
    customer.say(f"我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话{phone}")
    customer.pick("确认提交")
    assert customer.ticket_no
    return customer.ticket_no


def test_a_wrong_password_says_so(browser: Browser, base_url: str) -> None:
    page = desk(browser, base_url)
    log_in(page, "wrong-password-wrong")
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_new_ticket_appears_without_a_reload(browser: Browser, base_url: str) -> None:
    page = desk(browser, base_url)
    log_in(page)
    expect(page.get_by_role("search")).to_be_visible()
    number = file_complaint(base_url)
    expect(page.get_by_role("link", name=number)).to_be_visible(timeout=15_000)


def test_the_ticket_page_shows_everything_and_takes_a_note(browser: Browser, base_url: str) -> None:
    number = file_complaint(base_url)
    page = desk(browser, base_url)
    log_in(page)
    page.get_by_role("link", name=number).click()
    expect(page.locator("dd.narrative_raw")).to_contain_text("记成了500块")
    expect(page.get_by_text("南湖支行").first).to_be_visible()
    page.get_by_label("备注").fill("已联系网点调监控")
    page.get_by_role("button", name="保存备注").click()
    expect(page.locator(".thread").get_by_text("已联系网点调监控")).to_be_visible(timeout=10_000)
