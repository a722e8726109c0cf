# SPDX-License-Identifier: Apache-2.0
"""openai_client.py sync|async|gather BASE CASE...: calls of the official OpenAI SDK.

One after another, or with gather all at once.
"""

import asyncio
import inspect
import os
import sys

import openai

from seen import Seen

MODEL = os.environ.get("LAB_MODEL", "lab-model")
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}}}


async def result(value):
    """One body for both clients: the sync one's answer is there, the async one's is awaited."""
    return await value if inspect.isawaitable(value) else value


async def items(stream):
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


def take_usage(seen, usage):
    seen["input"] = getattr(usage, "prompt_tokens", None)
    seen["output"] = getattr(usage, "completion_tokens", None)


async def chat(client, seen, case, **more):
    args = {"model": MODEL, "messages": [{"role": "user", "content": f"case:{case}"}], **more}
    if case == "tool":
        args["tools"] = [TOOL]
    if not seen.row["stream"]:
        answer = await result(client.chat.completions.create(**args))
        seen["id"], seen["model"] = answer.id, answer.model
        seen["finish"] = [choice.finish_reason for choice in answer.choices]
        for choice in answer.choices:
            seen.text(choice.message.content)
            seen["tools"] = [call.function.name for call in choice.message.tool_calls or []]
        take_usage(seen, answer.usage)
        return
    if more.pop("usage", True):
        args["stream_options"] = {"include_usage": True}
    args.pop("usage", None)
    finish, tools = {}, []
    async for part in items(await result(client.chat.completions.create(stream=True, **args))):
        seen.chunk()
        seen["id"], seen["model"] = part.id, part.model
        for choice in part.choices:
            seen.text(choice.delta.content)
            tools += [call.function.name for call in choice.delta.tool_calls or [] if call.function.name]
            if choice.finish_reason:
                finish[choice.index] = choice.finish_reason
        if part.usage:
            take_usage(seen, part.usage)
    seen["finish"], seen["tools"] = [finish[key] for key in sorted(finish)], tools


async def responses(client, seen, case):
    def take(answer):
        seen["id"], seen["model"] = answer.id, answer.model
        seen["finish"] = [answer.status]
        seen["input"], seen["output"] = answer.usage.input_tokens, answer.usage.output_tokens
        seen.text(answer.output_text)

    args = {"model": MODEL, "input": f"case:{case}"}
    if not seen.row["stream"]:
        take(await result(client.responses.create(**args)))
        return
    async for event in items(await result(client.responses.create(stream=True, **args))):
        seen.chunk()
        if event.type == "response.completed":
            take(event.response)


async def embed(client, seen, _case):
    answer = await result(client.embeddings.create(model=MODEL, input="case:embed"))
    seen["model"], seen["input"] = answer.model, answer.usage.prompt_tokens
    seen["dimensions"] = len(answer.data[0].embedding)


async def one(client, case):
    """CASE is NAME, NAME:stream, NAME:stream:nousage, responses[:stream], embed or e401."""
    name, *flags = case.split(":")
    stream = "stream" in flags
    seen = Seen(case, MODEL, stream)
    try:
        if name == "responses":
            await responses(client, seen, "plain")
        elif name == "embed":
            await embed(client, seen, name)
        elif name == "e401":
            await chat(client.with_options(api_key="wrong"), seen, "plain")
        elif stream:
            await chat(client, seen, name, usage="nousage" not in flags)
        else:
            await chat(client, seen, name)
        seen.done()
    except openai.APIStatusError as error:
        seen.failed(error.status_code, error.code or error.type)
    except Exception as error:  # noqa: BLE001 -- a cut stream ends in whatever the SDK's transport raises
        seen.failed(None, type(error).__name__)
    seen.show()


async def main(kind, base, cases):
    make = openai.OpenAI if kind == "sync" else openai.AsyncOpenAI
    client = make(base_url=f"{base}/v1", api_key="lab-key", max_retries=0, timeout=60)
    if kind == "gather":
        await asyncio.gather(*(one(client, case) for case in cases))
        return
    for case in cases:
        await one(client, case)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
