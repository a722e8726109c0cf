/* SPDX-License-Identifier: Apache-2.0 */
/* anthropic_client.mjs BASE CASE...: calls of the official Anthropic SDK for Node, one after another. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Seen } from "./seen.mjs";

const require = createRequire(process.env.LAB_MODULES + "/");
const { default: Anthropic } = await import(pathToFileURL(require.resolve("@anthropic-ai/sdk")));

const MODEL = "claude-lab";
const TOOL = { name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };

/* The GenAI conventions count cached input as input; Anthropic's own figure leaves it out. */
const allInput = (usage) =>
  usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);

async function messages(client, seen, name) {
  const args = { model: MODEL, max_tokens: 256, messages: [{ role: "user", content: `case:${name}` }] };
  if (name === "tool") args.tools = [TOOL];
  if (!seen.row.stream) {
    const answer = await client.messages.create(args);
    Object.assign(seen.row, {
      id: answer.id, model: answer.model, finish: [answer.stop_reason], input: allInput(answer.usage),
      output: answer.usage.output_tokens,
      tools: answer.content.filter((block) => block.type === "tool_use").map((block) => block.name),
    });
    return;
  }
  for await (const event of await client.messages.create({ ...args, stream: true })) {
    seen.chunk();
    if (event.type === "message_start") {
      const { id, model, usage } = event.message;
      Object.assign(seen.row, { id, model, input: allInput(usage) });
    } else if (event.type === "content_block_start" && event.content_block.type === "tool_use") {
      seen.row.tools.push(event.content_block.name);
    } else if (event.type === "content_block_delta" && event.delta.type === "text_delta") {
      seen.text(event.delta.text);
    } else if (event.type === "message_delta") {
      Object.assign(seen.row, { finish: [event.delta.stop_reason], output: event.usage.output_tokens });
    }
  }
}

const [base, ...cases] = process.argv.slice(2);
const client = new Anthropic({ baseURL: base, apiKey: "lab-key", maxRetries: 0, timeout: 60000 });
for (const name of cases) {
  const [head, ...flags] = name.split(":");
  const seen = new Seen(name, MODEL, flags.includes("stream"));
  try {
    if (head === "e401") await messages(client.withOptions({ apiKey: "wrong" }), seen, "plain");
    else await messages(client, seen, head);
    seen.done();
  } catch (error) {
    seen.failed(error.status ?? null, error.error?.error?.type ?? error.constructor.name);
  }
  seen.show();
}
