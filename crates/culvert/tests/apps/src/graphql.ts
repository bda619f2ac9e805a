/** graphql-yoga: queries with variables, mutations, errors, and a subscription as server-sent events. */
import { createSchema, createYoga } from "graphql-yoga";
import { GraphQLError } from "graphql";

const todos = [{ id: "1", text: "write" }];
const yoga = createYoga({
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      type Todo { id: ID!, text: String! }
      type Query { todos(first: Int = 10): [Todo!]!, fails: String, agent: String }
      type Mutation { add(text: String!): Todo! }
      type Subscription { countdown(from: Int!): Int! }
    `,
    resolvers: {
      Query: {
        todos: (_parent, { first }: { first: number }) => todos.slice(0, first),
        fails: () => {
          throw new GraphQLError("on purpose", { extensions: { code: "ON_PURPOSE" } });
        },
        agent: (_parent, _arguments, context: { request: { headers: Headers } }) => context.request.headers.get("user-agent"),
      },
      Mutation: {
        add: (_parent, { text }: { text: string }) => {
          const todo = { id: String(todos.length + 1), text };
          todos.push(todo);
          return todo;
        },
      },
      Subscription: {
        countdown: {
          async *subscribe(_parent: unknown, { from }: { from: number }) {
            for (let n = from; n >= 0; n--) {
              await new Promise((resolve) => setTimeout(resolve, 2));
              yield { countdown: n };
            }
          },
        },
      },
    },
  }),
  graphqlEndpoint: "/graphql",
});

export default { fetch: yoga.fetch };
