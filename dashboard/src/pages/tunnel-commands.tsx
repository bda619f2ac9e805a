/** How to connect a network through a tunnel: the commands, with the token in them. */

import { useEdge } from "../api/queries";
import { connectCommands } from "../model/commands";
import { CodeBlock } from "../ui/controls";
import { Disclosure } from "../ui/disclosure";
import { Loaded } from "../ui/states";

export function TunnelCommands({ token }: { token: string }) {
  const edge = useEdge();
  return (
    <Loaded query={edge}>
      {(data) => {
        const commands = connectCommands(data, token);
        return (
          <div className="stack">
            <p className="muted">On a machine inside the private network. It needs no open port, only a way out to <code>{data.tunnel}</code> over UDP.</p>
            {commands.authority === null ? null : (
              <Disclosure name="authority" summary="First save the edge's certificate authority">
                <p className="muted">This edge has a certificate of its own authority. The connector checks it against this file.</p>
                <CodeBlock label="command that saves the certificate authority" text={commands.authority} />
              </Disclosure>
            )}
            <h3>With culvert</h3>
            <CodeBlock label="culvert command" text={commands.culvert} />
            <h3>Or with cloudflared, 2025.7.0 or newer</h3>
            <CodeBlock label="cloudflared command" text={commands.cloudflared} />
            <p className="note warn">Whoever has the token can answer for this network. Keep it as you would a password; Rotate makes it worthless.</p>
          </div>
        );
      }}
    </Loaded>
  );
}
