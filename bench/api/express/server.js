// The peer in Express: same routes, same SQL (from SQL_FILE), same headers, limits, logs, metrics and validation.
"use strict";
const fs = require("node:fs");
const crypto = require("node:crypto");
const express = require("express");
const helmet = require("helmet");
const { rateLimit } = require("express-rate-limit");
const winston = require("winston");
const prometheus = require("prom-client");
const { Pool, types } = require("pg");
const { z } = require("zod");
const jwt = require("jsonwebtoken");

const sql = JSON.parse(fs.readFileSync(process.env.SQL_FILE, "utf8"));
types.setTypeParser(20, Number); // bigint as a number, as our API promises
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.DB_POOL_SIZE) });
const logger = winston.createLogger({
  level: "info",
  format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
  defaultMeta: { service: "marauders-map-api", environment: "production" },
  transports: [new winston.transports.File({ filename: process.env.LOG_FILE })],
});
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

const app = express();
app.disable("x-powered-by");
app.use((request, response, next) => {
  const started = process.hrtime.bigint();
  request.id = request.get("x-request-id") || crypto.randomUUID();
  response.set("X-Request-ID", request.id);
  const context = { requestId: request.id, method: request.method, path: request.path };
  logger.info("Request received", { context });
  response.on("finish", () => {
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const path = request.route ? request.route.path : "unmatched";
    requests.labels(request.method, path, String(response.statusCode)).inc();
    durations.labels(request.method, path).observe(seconds);
    const level = response.statusCode >= 500 ? "error" : response.statusCode >= 400 ? "warn" : "info";
    logger.log(level, "Request completed", {
      context: { ...context, userId: request.user && request.user.id, status: response.statusCode, duration_ms: seconds * 1000 },
    });
  });
  next();
});
app.use(helmet());
app.use((request, response, next) => {
  const [scheme, token] = (request.get("authorization") || "").split(" ");
  if (scheme === "Bearer" && token) {
    try {
      request.claims = jwt.verify(token, process.env.JWT_SECRET, { algorithms: ["HS256"], issuer: "marauders-map-api", audience: "marauders-map" });
    } catch { /* stays anonymous */ }
  }
  next();
});
app.get("/health/live", (_request, response) => response.json({ status: "alive", timestamp: new Date().toISOString() }));
app.get("/metrics", async (_request, response) => response.type("text/plain").send(await prometheus.register.metrics()));
app.use(rateLimit({
  windowMs: 900000, limit: Number(process.env.RATE_LIMIT), standardHeaders: "draft-6", legacyHeaders: true,
  keyGenerator: (request) => (request.claims ? request.claims.sub : request.socket.remoteAddress),
}));
app.use(express.json({ limit: "256kb" }));

const users = new Map();
async function signedIn(request, response, next) {
  if (!request.claims) return response.status(401).json({ error: { code: "UNAUTHORIZED", message: "Sign in" } });
  let entry = users.get(request.claims.sub);
  if (!entry || entry.until < Date.now()) {
    const found = await query(pool, sql.user, [request.claims.sub]);
    entry = { user: found.rows[0], until: Date.now() + 5000 };
    users.set(request.claims.sub, entry);
  }
  if (!entry.user || entry.user.token_version !== request.claims.ver) return response.status(401).json({ error: { code: "UNAUTHORIZED" } });
  request.user = entry.user;
  return next();
}
const answer = (response, status, body) => response.status(status).set("Cache-Control", "private, no-cache").json(body);

app.get("/api/incidents/:id", signedIn, async (request, response) => {
  const id = z.coerce.number().int().positive().safeParse(request.params.id);
  if (!id.success) return answer(response, 400, { error: { code: "VALIDATION_ERROR", details: id.error.issues } });
  const found = await query(pool, sql.find, [id.data]);
  if (!found.rows.length) return answer(response, 404, { error: { code: "NOT_FOUND" } });
  response.set("ETag", `"${found.rows[0].id}-${found.rows[0].version}"`);
  return answer(response, 200, incident(found.rows[0]));
});
app.get("/api/incidents", signedIn, async (request, response) => {
  const wanted = ListQuery.safeParse(request.query);
  if (!wanted.success) return answer(response, 400, { error: { code: "VALIDATION_ERROR", details: wanted.error.issues } });
  const { page, limit } = wanted.data;
  const rows = (await query(pool, sql.page, [limit + 1, (page - 1) * limit])).rows;
  const found = rows[0].id === null ? [] : rows;
  return answer(response, 200, {
    data: found.slice(0, limit).map(incident), total: Math.min(rows[0].total, 10000), page, limit, hasMore: found.length > limit,
  });
});
app.post("/api/incidents", signedIn, async (request, response) => {
  const wanted = NewIncident.safeParse(request.body);
  if (!wanted.success) return answer(response, 400, { error: { code: "VALIDATION_ERROR", details: wanted.error.issues } });
  const made = wanted.data;
  const row = (await query(pool, sql.report, [
    made.title, made.description, SEVERITIES.indexOf(made.severity) + 1, made.location, request.user.id, made.tags, made.evidenceUrls,
    made.witnessCount, made.severity, request.id, "incident:created", JSON.stringify({ actor: request.user.id }),
  ])).rows[0];
  response.set("Location", `/api/incidents/${row.id}`);
  return answer(response, 201, incident(row));
});
app.use((_request, response) => answer(response, 404, { error: { code: "NOT_FOUND" } }));
app.use((error, request, response, _next) => {
  logger.error("Request failed", { context: { requestId: request.id, error: { name: error.name, message: error.message, stack: error.stack } } });
  answer(response, error.status || 500, { error: { code: "INTERNAL_ERROR" } });
});
const server = app.listen(Number(process.env.PORT), "127.0.0.1");
server.keepAliveTimeout = 75000;
