# SPDX-License-Identifier: Apache-2.0
"""chatter.py URL...: the OpenAI SDK in a loop, streamed and plain, at each URL in turn; until a signal ends it.

The traffic of `make run`: a program that knows nothing of kernspan.
"""

import itertools
import sys
import time

import openai

PROMPTS = ["Tell me of the river.", "What is a span?", "Say something about winter.", "Name a garden stone.",
           "Why is the kernel quiet?"]


def call(client, prompt, tokens, stream):
    args = {"model": "tiny-random", "max_tokens": tokens, "temperature": 0.9,
            "messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": prompt}]}
    if not stream:
        client.chat.completions.create(**args)
        return
    for _ in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **args):
        pass


def main(urls):
    clients = [openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) for url in urls]
    for turn, client in enumerate(itertools.cycle(clients)):
        try:
            tokens = 8 + 24 * (turn % 7)
            call(client, PROMPTS[turn % len(PROMPTS)], tokens if turn % 11 else -5, stream=turn % 3 != 0)
        except openai.APIStatusError:
            pass  # llama.cpp refuses what a later version may not; the refusal is traffic too
        time.sleep(0.7)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (KeyboardInterrupt, openai.APIConnectionError):
        pass
