# SPDX-License-Identifier: Apache-2.0
"""anthropic_client.py sync|async BASE CASE...: calls of the official Anthropic SDK, one after another."""

import asyncio
import inspect
import sys

import anthropic

from seen import Seen

MODEL = "claude-lab"
TOOL = {"name": "get_weather", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}}


async def result(value):
    return await value if inspect.isawaitable(value) else value


async def items(stream):
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


def all_input(usage):
    """The GenAI conventions count cached input as input; Anthropic's own figure leaves it out."""
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


async def messages(client, seen, case):
    args = {"model": MODEL, "max_tokens": 256,
            "messages": [{"role": "user", "content": f"case:{case}"}]}
    if case == "tool":
        args["tools"] = [TOOL]
    if not seen.row["stream"]:
        answer = await result(client.messages.create(**args))
        seen["id"], seen["model"], seen["finish"] = answer.id, answer.model, [answer.stop_reason]
        seen["input"], seen["output"] = all_input(answer.usage), answer.usage.output_tokens
        seen["tools"] = [block.name for block in answer.content if block.type == "tool_use"]
        seen.text("".join(block.text for block in answer.content if block.type == "text"))
        return
    tools = []
    async for event in items(await result(client.messages.create(stream=True, **args))):
        seen.chunk()
        if event.type == "message_start":
            seen["id"], seen["model"] = event.message.id, event.message.model
            seen["input"] = all_input(event.message.usage)
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            tools.append(event.content_block.name)
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            seen.text(event.delta.text)
        elif event.type == "message_delta":
            seen["finish"] = [event.delta.stop_reason]
            seen["output"] = event.usage.output_tokens
    seen["tools"] = tools


async def one(client, case):
    name, *flags = case.split(":")
    seen = Seen(case, MODEL, "stream" in flags)
    try:
        if name == "e401":
            await messages(client.with_options(api_key="wrong"), seen, "plain")
        else:
            await messages(client, seen, name)
        seen.done()
    except anthropic.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        seen.failed(error.status_code, (body.get("error") or {}).get("type"))
    except Exception as error:  # noqa: BLE001 -- a cut stream ends in whatever the SDK's transport raises
        seen.failed(None, type(error).__name__)
    seen.show()


async def main(kind, base, cases):
    make = anthropic.AsyncAnthropic if kind == "async" else anthropic.Anthropic
    client = make(base_url=base, api_key="lab-key", max_retries=0, timeout=60)
    for case in cases:
        await one(client, case)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
