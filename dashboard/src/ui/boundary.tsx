/** What stands where a page should be that cannot be shown: its files are gone since the server was replaced, or it has a fault. Another page is tried anew. */

import { Component, type ReactNode } from "react";
import { Button } from "./controls";
import { PageHead, Panel } from "./page";
import { Failed } from "./states";

interface Props {
  page: string;
  children: ReactNode;
}

interface State {
  failure: { error: unknown } | null;
}

export class Boundary extends Component<Props, State> {
  override state: State = { failure: null };

  static getDerivedStateFromError(error: unknown): State {
    return { failure: { error } };
  }

  override componentDidUpdate(before: Props): void {
    if (this.state.failure !== null && before.page !== this.props.page) this.setState({ failure: null });
  }

  override render(): ReactNode {
    const { failure } = this.state;
    if (failure === null) return this.props.children;
    return (
      <>
        <PageHead title="This page cannot be shown" lead="If the server was replaced since it was opened, loading it again is all it needs." />
        <Panel>
          <div className="stack">
            <Failed error={failure.error} />
            <div><Button look="primary" onPress={() => window.location.reload()}>Load it again</Button></div>
          </div>
        </Panel>
      </>
    );
  }
}
