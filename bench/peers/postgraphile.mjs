// P: PostGraphile 5 with its default preset over the same tables, as a login that may read everything. What the tables
// do not say is added as its users add it: a neighbour's partner.
// `node postgraphile.mjs VIEWER PORT`; the database is told by libpq's environment variables.

import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { extendSchema } from "postgraphile/utils";

const [port] = process.argv.slice(3);

console.warn = () => {}; // what it cannot name or hold is not asked for

const neighbours = extendSchema((build) => {
  const { partner } = build.input.pgRegistry.pgResources;
  return {
    typeDefs: "extend type NeighbourhoodRecord { neighbour: Partner }",
    objects: {
      NeighbourhoodRecord: { plans: { neighbour: ($row) => partner.get({ id: $row.get("neighbour_id") }) } },
    },
  };
});

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [neighbours],
  pgServices: [makePgService({ connectionString: "", poolConfig: { max: 16 }, schemas: ["public"] })],
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false },
};

const serv = postgraphile(preset).createServ(grafserv);
const server = createServer();
await serv.addTo(server);
const [answer] = server.listeners("request");
server.removeAllListeners("request");
server.on("request", (request, response) =>
  request.url === "/healthz" ? response.end("ok") : answer(request, response),
);
server.listen(Number(port), "127.0.0.1");
