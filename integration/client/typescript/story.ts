// Plays the story of a desk as a program outside does, with the types that
// openapi-typescript makes of the OpenAPI document: a mail comes in, it is answered, and
// the feed tells that the answer is on its way.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const api = createClient<paths>({
  baseUrl: process.env.POSTDESK_URL,
  headers: { Authorization: `Bearer ${process.env.POSTDESK_TOKEN}` },
});

async function awaitEvent(after: number, type: string): Promise<components["schemas"]["Event"]> {
  for (;;) {
    const { data, error } = await api.GET("/api/v1/events", { params: { query: { after, wait: 20 } } });
    if (!data) throw new Error(JSON.stringify(error));
    const found = data.items.find((e) => e.type === type);
    if (found) return found;
    after = data.next;
  }
}

const received = await awaitEvent(0, "message.received");
const name = received.ticket ?? "";
const ticket = await api.GET("/api/v1/tickets/{name}", { params: { path: { name } } });
const messages = await api.GET("/api/v1/tickets/{name}/messages", { params: { path: { name } } });
const question = messages.data?.items[0];
if (!ticket.data || !question) throw new Error(`no ticket ${name}`);
for (let n = 0; n < 2; n++) { // asked twice with one key, it is added once
  const { data, error } = await api.POST("/api/v1/tickets/{name}/replies", {
    params: { path: { name }, header: { "Idempotency-Key": `answer to ${question.id}`, "If-Match": [ticket.response.headers.get("ETag") ?? ""] } },
    body: { text: `You asked: ${question.new_text.trim()}` },
  });
  if (!data) throw new Error(JSON.stringify(error));
}
const sent = await awaitEvent(received.seq, "message.submitted");
console.log(sent.ticket, sent.facts?.["queue_id"]);
