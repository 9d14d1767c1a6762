// The peer in Fastify: same routes, same SQL (from SQL_FILE), same headers, limits, logs, metrics and validation.
"use strict";
const fs = require("node:fs");
const crypto = require("node:crypto");
const fastify = require("fastify");
const pino = require("pino");
const prometheus = require("prom-client");
const { Pool, types } = require("pg");
const { z } = require("zod");
const jwt = require("jsonwebtoken");

const sql = JSON.parse(fs.readFileSync(process.env.SQL_FILE, "utf8"));
types.setTypeParser(20, Number); // bigint as a number, as our API promises
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.DB_POOL_SIZE) });
const logger = pino(
  { base: { service: "marauders-map-api", environment: "production" }, timestamp: pino.stdTimeFunctions.isoTime },
  pino.destination({ dest: process.env.LOG_FILE, sync: false }),
);
prometheus.collectDefaultMetrics();
const requests = new prometheus.Counter({ name: "http_requests_total", help: "requests", labelNames: ["method", "path", "status"] });
const durations = new prometheus.Histogram({
  name: "http_request_duration_seconds", help: "durations", labelNames: ["method", "path"], buckets: [0.01, 0.05, 0.1, 0.5, 1, 2, 5],
});
const queryDurations = new prometheus.Histogram({ name: "database_query_duration_seconds", help: "queries" });

const SEVERITIES = ["MISCHIEF", "SUSPICIOUS", "DANGEROUS", "UNFORGIVABLE"];
const LOCATIONS = ["HOGWARTS", "HOGSMEADE", "KNOCKTURN_ALLEY", "FORBIDDEN_FOREST", "MINISTRY", "AZKABAN", "DIAGON_ALLEY", "PLATFORM_9_3_4"];
const NewIncident = z.strictObject({
  title: z.string().trim().min(1).max(255),
  location: z.enum(LOCATIONS),
  description: z.string().max(10000).default(""),
  severity: z.enum(SEVERITIES).default("MISCHIEF"),
  tags: z.array(z.string().min(1).max(50)).max(20).default([]),
  evidenceUrls: z.array(z.url().max(2048)).max(20).default([]),
  witnessCount: z.number().int().min(0).max(2147483647).default(0),
});
const ListQuery = z.strictObject({
  page: z.coerce.number().int().min(1).max(1000000).default(1),
  limit: z.coerce.number().int().min(1).max(100).default(20),
});

async function query(client, text, values) {
  const end = queryDurations.startTimer();
  try {
    // A name makes pg prepare it once per connection, as asyncpg does.
    return await client.query({ name: crypto.hash("md5", text), text, values });
  } finally {
    end();
  }
}

const person = (row, prefix) => row[prefix + "_id"] && {
  id: row[prefix + "_id"], firstName: row[prefix + "_first"], lastName: row[prefix + "_last"],
  role: row[prefix + "_role"], house: row[prefix + "_house"],
};
const incident = (row) => ({
  id: row.id, title: row.title, description: row.description, severity: SEVERITIES[row.severity - 1],
  location: row.location, status: row.status, reportedBy: person(row, "r"), reportedAt: row.reported_at,
  updatedAt: row.updated_at, resolvedAt: row.resolved_at, resolvedBy: person(row, "s") || null, tags: row.tags,
  evidenceUrls: row.evidence_urls, witnessCount: row.witness_count, version: row.version,
});

// What Fastify writes from a schema is faster than JSON.stringify: its users would give it one.
const PERSON = { type: "object", nullable: true, properties: {
  id: { type: "string" }, firstName: { type: "string" }, lastName: { type: "string" }, role: { type: "string" },
  house: { type: "string", nullable: true },
} };
const INCIDENT = { type: "object", properties: {
  id: { type: "integer" }, title: { type: "string" }, description: { type: "string" }, severity: { type: "string" },
  location: { type: "string" }, status: { type: "string" }, reportedBy: PERSON,
  reportedAt: { type: "string", format: "date-time" }, updatedAt: { type: "string", format: "date-time" },
  resolvedAt: { type: "string", format: "date-time", nullable: true }, resolvedBy: PERSON,
  tags: { type: "array", items: { type: "string" } }, evidenceUrls: { type: "array", items: { type: "string" } },
  witnessCount: { type: "integer" }, version: { type: "integer" },
} };
const PAGE = { type: "object", properties: {
  data: { type: "array", items: INCIDENT }, total: { type: "integer" }, page: { type: "integer" }, limit: { type: "integer" },
  hasMore: { type: "boolean" },
} };

const app = fastify({
  loggerInstance: logger, disableRequestLogging: true, bodyLimit: 262144, keepAliveTimeout: 75000,
  genReqId: (request) => request.headers["x-request-id"] || crypto.randomUUID(),
});
const pathOf = (request) => request.url.split("?", 1)[0];
app.addHook("onRequest", async (request, reply) => {
  reply.header("X-Request-ID", request.id);
  logger.info({ context: { requestId: request.id, method: request.method, path: pathOf(request) } }, "Request received");
  const [scheme, token] = (request.headers.authorization || "").split(" ");
  if (scheme === "Bearer" && token) {
    try {
      request.claims = jwt.verify(token, process.env.JWT_SECRET, { algorithms: ["HS256"], issuer: "marauders-map-api", audience: "marauders-map" });
    } catch { /* stays anonymous */ }
  }
});
app.addHook("onResponse", async (request, reply) => {
  const seconds = reply.elapsedTime / 1000;
  const path = request.routeOptions.url || "unmatched";
  requests.labels(request.method, path, String(reply.statusCode)).inc();
  durations.labels(request.method, path).observe(seconds);
  const level = reply.statusCode >= 500 ? "error" : reply.statusCode >= 400 ? "warn" : "info";
  logger[level]({
    context: {
      requestId: request.id, method: request.method, path: pathOf(request), userId: request.user && request.user.id,
      status: reply.statusCode, duration_ms: seconds * 1000,
    },
  }, "Request completed");
});
app.decorateRequest("claims", null);
app.decorateRequest("user", null);

const users = new Map();
async function signedIn(request, reply) {
  if (!request.claims) return reply.code(401).send({ error: { code: "UNAUTHORIZED", message: "Sign in" } });
  let entry = users.get(request.claims.sub);
  if (!entry || entry.until < Date.now()) {
    const found = await query(pool, sql.user, [request.claims.sub]);
    entry = { user: found.rows[0], until: Date.now() + 5000 };
    users.set(request.claims.sub, entry);
  }
  if (!entry.user || entry.user.token_version !== request.claims.ver) return reply.code(401).send({ error: { code: "UNAUTHORIZED" } });
  request.user = entry.user;
}
const answer = (reply, status, body) => reply.code(status).header("Cache-Control", "private, no-cache").send(body);
const invalid = (reply, result) => answer(reply, 400, { error: { code: "VALIDATION_ERROR", details: result.error.issues } });

async function routes() {
  await app.register(require("@fastify/helmet"));
  await app.register(require("@fastify/rate-limit"), {
    global: true, timeWindow: 900000, max: Number(process.env.RATE_LIMIT), enableDraftSpec: false,
    keyGenerator: (request) => (request.claims ? request.claims.sub : request.ip),
  });
  const free = { config: { rateLimit: false } };
  app.get("/health/live", free, async () => ({ status: "alive", timestamp: new Date().toISOString() }));
  app.get("/metrics", free, async (_request, reply) => reply.type("text/plain").send(await prometheus.register.metrics()));

  app.get("/api/incidents/:id", { preHandler: signedIn, schema: { response: { 200: INCIDENT } } }, async (request, reply) => {
    const id = z.coerce.number().int().positive().safeParse(request.params.id);
    if (!id.success) return invalid(reply, id);
    const found = await query(pool, sql.find, [id.data]);
    if (!found.rows.length) return answer(reply, 404, { error: { code: "NOT_FOUND" } });
    reply.header("ETag", `"${found.rows[0].id}-${found.rows[0].version}"`);
    return answer(reply, 200, incident(found.rows[0]));
  });
  app.get("/api/incidents", { preHandler: signedIn, schema: { response: { 200: PAGE } } }, async (request, reply) => {
    const wanted = ListQuery.safeParse(request.query);
    if (!wanted.success) return invalid(reply, wanted);
    const { page, limit } = wanted.data;
    const rows = (await query(pool, sql.page, [limit + 1, (page - 1) * limit])).rows;
    const found = rows[0].id === null ? [] : rows;
    return answer(reply, 200, {
      data: found.slice(0, limit).map(incident), total: Math.min(rows[0].total, 10000), page, limit, hasMore: found.length > limit,
    });
  });
  app.post("/api/incidents", { preHandler: signedIn, schema: { response: { 201: INCIDENT } } }, async (request, reply) => {
    const wanted = NewIncident.safeParse(request.body);
    if (!wanted.success) return invalid(reply, wanted);
    const made = wanted.data;
    const row = (await query(pool, sql.report, [
      made.title, made.description, SEVERITIES.indexOf(made.severity) + 1, made.location, request.user.id, made.tags, made.evidenceUrls,
      made.witnessCount, made.severity, request.id, "incident:created", JSON.stringify({ actor: request.user.id }),
    ])).rows[0];
    reply.header("Location", `/api/incidents/${row.id}`);
    return answer(reply, 201, incident(row));
  });
}
app.setNotFoundHandler((_request, reply) => answer(reply, 404, { error: { code: "NOT_FOUND" } }));
app.setErrorHandler((error, request, reply) => {
  logger.error({ context: { requestId: request.id, error: { name: error.name, message: error.message, stack: error.stack } } }, "Request failed");
  answer(reply, error.statusCode || 500, { error: { code: "INTERNAL_ERROR" } });
});
routes().then(() => app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" }));
