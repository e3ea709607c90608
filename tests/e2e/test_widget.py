"""A complaint told in the browser, at phone width, as a customer would."""

import uuid

from playwright.sync_api import BrowserContext, Page, expect

OPENING = "我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话{phone}"


def open_chat(page: Page) -> None:
    page.goto("/demo/")
    page.get_by_role("button", name="投诉与建议").click()
    start = page.get_by_role("button", name="同意并开始")
    if start.is_visible():
        start.click()
    expect(page.get_by_role("textbox", name="输入消息")).to_be_visible()


def say(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="输入消息")
    box.fill(text)
    box.press("Enter")


def opening() -> str:
    return OPENING.format(phone=f"137{uuid.uuid4().int % 10**8:08d}")


def test_a_complaint_becomes_a_ticket_number(page: Page) -> None:
    open_chat(page)
    say(page, opening())
    page.get_by_role("button", name="确认提交").click()
    number = page.locator("dd.ticket_no")
    expect(number).to_be_visible(timeout=15_000)
    expect(page.locator("header p")).to_contain_text(number.inner_text())


def test_the_typing_sign_ends_with_the_answer(page: Page) -> None:
    open_chat(page)
    say(page, "在城东支行排了四十分钟队")
    expect(page.locator(".row.bot").first).to_be_visible(timeout=15_000)
    expect(page.get_by_text("正在输入")).to_have_count(0, timeout=2_000)


def test_a_second_click_files_once(page: Page) -> None:
    open_chat(page)
    say(page, opening())
    button = page.get_by_role("button", name="确认提交")
    expect(button).to_be_visible(timeout=15_000)
    button.dblclick()
    expect(page.locator("dd.ticket_no")).to_have_count(1, timeout=15_000)
    expect(page.locator(".row.customer", has_text="确认提交")).to_have_count(1)


def test_enter_while_composing_does_not_send(page: Page) -> None:
    open_chat(page)
    box = page.get_by_role("textbox", name="输入消息")
    box.fill("jiaoban")
    box.evaluate(
        "node => node.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, composed: true}))"
    )
    expect(page.locator(".row.customer")).to_have_count(0)
    expect(box).to_have_value("jiaoban")


def test_a_reload_keeps_the_conversation(page: Page) -> None:
    open_chat(page)
    say(page, "在城东支行排了四十分钟队")
    expect(page.locator(".row.bot").first).to_be_visible(timeout=15_000)
    page.reload()
    page.get_by_role("button", name="投诉与建议").click()
    expect(page.get_by_text("在城东支行排了四十分钟队").first).to_be_visible()


def test_two_tabs_show_the_same(context: BrowserContext, page: Page) -> None:
    open_chat(page)
    say(page, "在城东支行排了四十分钟队")
    expect(page.locator(".row.bot").first).to_be_visible(timeout=15_000)
    other = context.new_page()
    open_chat(other)
    say(other, "就是昨天上午的事")
    expect(page.get_by_text("就是昨天上午的事")).to_be_visible(timeout=15_000)


def test_nothing_of_a_message_becomes_markup(page: Page) -> None:
    open_chat(page)
    say(page, "<img src=x onerror=alert(1)>柜员态度差")
    expect(page.get_by_text("<img src=x onerror=alert(1)>柜员态度差").first).to_be_visible()
    assert page.locator("tingsu-chat img").count() == 0
