"""One answer as each channel can show it: the web as it is, WeChat in few messages with numbers, the hotline as sentences. Pure."""

from typing import Any, Dict, List

Message = Dict[str, Any]

# WeChat takes five messages in answer to one (channels.md).
_WECHAT_MESSAGES = 5


def for_channel(channel: str, messages: List[Message]) -> List[Message]:
    """The messages of one answer; choices stay with them, so that what is picked or typed can be told apart."""
    if channel == "wechat":
        return _few(_numbered(messages))
    if channel == "hotline":
        return _spoken(messages)
    return messages


def _numbered(messages: List[Message]) -> List[Message]:
    """Numbers run on through the whole answer: what is typed means one choice (api/dialogue/repository.py)."""
    found, number = [], 0
    for message in messages:
        lines = []
        for choice in message.get("choices") or ():
            number += 1
            lines.append(f"{number} {choice['label']}")
        text = "\n".join([message["text"], "回复数字也可以：", *lines]) if lines else message["text"]
        found.append({**message, "text": text})
    return found


def _few(messages: List[Message]) -> List[Message]:
    """The shortest neighbours go into one message until there are few enough; none is left out."""
    found = list(messages)
    while len(found) > _WECHAT_MESSAGES:
        place = min(range(len(found) - 1), key=lambda at: len(found[at]["text"]) + len(found[at + 1]["text"]))
        found[place : place + 2] = [_joined(found[place], found[place + 1])]
    return found


def _joined(first: Message, second: Message) -> Message:
    choices = [*(first.get("choices") or ()), *(second.get("choices") or ())]
    joined = {**first, **second, "text": f"{first['text']}\n{second['text']}"}
    return {**joined, "choices": choices} if choices else joined


def _spoken(messages: List[Message]) -> List[Message]:
    """What an agent says aloud: everything before the question in one breath, then the question."""
    aloud = [_aloud(message) for message in messages]
    said = [message for message in aloud if not message.get("asks")]
    asked = [message for message in aloud if message.get("asks")]
    first: List[Message] = []
    for message in said:
        first = [_run_on(first[0], message)] if first else [message]
    return [*first, *asked]


def _aloud(message: Message) -> Message:
    text = message["text"]
    card = message.get("card")
    if card:
        text += "".join(f"{line['label']}，{line['value']}。" for line in card["fields"])
    labels = [choice["label"] for choice in message.get("choices") or ()]
    if len(labels) > 1:
        text += f"您可以说：{'、'.join(labels[:-1])}，或者{labels[-1]}。"
    elif labels:
        text += f"需要的话就说：{labels[0]}。"
    return {**message, "text": text}


def _run_on(first: Message, second: Message) -> Message:
    return {**_joined(first, second), "text": f"{first['text']}{second['text']}"}
