/* SPDX-License-Identifier: Apache-2.0 */
/* openai_client.mjs BASE CASE...: calls of the official OpenAI SDK for Node, one after another. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Seen } from "./seen.mjs";

const require = createRequire(process.env.LAB_MODULES + "/");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));

const MODEL = "lab-model";
const TOOL = { type: "function", function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } } };

function takeUsage(seen, usage) {
  seen.row.input = usage?.prompt_tokens ?? null;
  seen.row.output = usage?.completion_tokens ?? null;
}

async function chat(client, seen, name, flags) {
  const args = { model: MODEL, messages: [{ role: "user", content: `case:${name}` }] };
  if (name === "tool") args.tools = [TOOL];
  if (!seen.row.stream) {
    const answer = await client.chat.completions.create(args);
    Object.assign(seen.row, { id: answer.id, model: answer.model, finish: answer.choices.map((c) => c.finish_reason) });
    for (const choice of answer.choices) {
      seen.text(choice.message.content);
      seen.row.tools = (choice.message.tool_calls ?? []).map((call) => call.function.name);
    }
    takeUsage(seen, answer.usage);
    return;
  }
  if (!flags.includes("nousage")) args.stream_options = { include_usage: true };
  const finish = [];
  for await (const part of await client.chat.completions.create({ ...args, stream: true })) {
    seen.chunk();
    Object.assign(seen.row, { id: part.id, model: part.model });
    for (const choice of part.choices) {
      seen.text(choice.delta.content);
      for (const call of choice.delta.tool_calls ?? []) if (call.function?.name) seen.row.tools.push(call.function.name);
      if (choice.finish_reason) finish[choice.index] = choice.finish_reason;
    }
    if (part.usage) takeUsage(seen, part.usage);
  }
  seen.row.finish = finish;
}

async function responses(client, seen) {
  const take = (answer) => Object.assign(seen.row, {
    id: answer.id, model: answer.model, finish: [answer.status],
    input: answer.usage.input_tokens, output: answer.usage.output_tokens,
  });
  const args = { model: MODEL, input: "case:plain" };
  if (!seen.row.stream) {
    take(await client.responses.create(args));
    return;
  }
  for await (const event of await client.responses.create({ ...args, stream: true })) {
    seen.chunk();
    if (event.type === "response.completed") take(event.response);
  }
}

async function embed(client, seen) {
  const answer = await client.embeddings.create({ model: MODEL, input: "case:embed" });
  Object.assign(seen.row, { model: answer.model, input: answer.usage.prompt_tokens, dimensions: answer.data[0].embedding.length });
}

const [base, ...cases] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "lab-key", maxRetries: 0, timeout: 60000 });
for (const name of cases) {
  const [head, ...flags] = name.split(":");
  const seen = new Seen(name, MODEL, flags.includes("stream"));
  try {
    if (head === "responses") await responses(client, seen);
    else if (head === "embed") await embed(client, seen);
    else if (head === "e401") await chat(client.withOptions({ apiKey: "wrong" }), seen, "plain", flags);
    else await chat(client, seen, head, flags);
    seen.done();
  } catch (error) {
    seen.failed(error.status ?? null, error.code ?? error.type ?? error.constructor.name);
  }
  seen.show();
}
