// Asks by the Vercel AI SDK what each line of standard input says, and answers with a line. A line is
// {protocol, url, key, model, do, stream, prompt, image, schema}; an answer is {ok} or {error}.

import { createInterface } from 'node:readline';

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { Output, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

function model({ protocol, url, key, model }) {
  switch (protocol) {
    case 'chat':
      return createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model);
    case 'responses':
      return createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model);
    case 'messages':
      return createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model);
    case 'gemini':
      return createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key })(model);
    default:
      throw new Error(`unknown protocol ${protocol}`);
  }
}

const tools = {
  get_weather: tool({
    description: 'The weather in a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `It rains in ${city}`,
  }),
};

// The SDK warns on standard error of what a protocol cannot do; a test looks at answers only.
globalThis.AI_SDK_LOG_WARNINGS = false;

async function ask(job) {
  const content = [{ type: 'text', text: job.prompt }];
  if (job.image) content.push({ type: 'image', image: Buffer.from(job.image, 'base64'), mediaType: 'image/png' });
  const options = {
    model: model(job),
    maxRetries: 0,
    messages: [{ role: 'user', content }],
    ...(job.system && { system: job.system }),
    ...(job.tools && { tools, stopWhen: stepCountIs(5) }),
    ...(job.schema && { output: Output.object({ schema: jsonSchema(job.schema) }) }),
    ...(job.max_tokens && { maxOutputTokens: job.max_tokens }),
  };
  if (!job.stream) {
    return answer(await generateText(options), job);
  }
  const failures = [];
  const result = streamText({ ...options, onError: ({ error }) => failures.push(error) });
  await result.consumeStream();
  if (failures.length) throw failures[0];
  return answer(result, job);
}

async function answer(result, job) {
  const [steps, text, finishReason, usage, reasoningText] = await Promise.all([
    result.steps,
    result.text,
    result.finishReason,
    result.totalUsage ?? result.usage,
    result.reasoningText,
  ]);
  return {
    text,
    finish: finishReason,
    reasoning: reasoningText ?? '',
    usage: { input: usage.inputTokens, output: usage.outputTokens },
    calls: steps.flatMap((step) => step.toolCalls.map(({ toolName, input }) => ({ name: toolName, arguments: input }))),
    results: steps.flatMap((step) => step.toolResults.map(({ output }) => output)),
    ...(job.schema && { object: job.stream ? await result.output : result.output }),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answered = await ask(JSON.parse(line)).then(
    (ok) => ({ ok }),
    (error) => ({ error: { name: error.name, status: error.statusCode, retryable: error.isRetryable, message: error.message, cause: String(error.cause?.message ?? '') } }),
  );
  process.stdout.write(`${JSON.stringify(answered)}\n`);
}
