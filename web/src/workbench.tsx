/** GraphiQL itself. Loaded only after sign-in: it is most of the bundle. */
import './workers';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { useGraphiQL } from '@graphiql/react';
import { createLocalStorage } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { useEffect, useState } from 'react';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './workbench.css';
import { EDITOR_THEME } from './editor_theme';
import { useLive, type Delivery } from './live';
import { useLanguage, useScheme } from './preferences';
import { SAMPLES, variablesOf } from './samples';
import { SAMPLES_PLUGIN } from './samples/panel';
import type { Viewer } from './session';
import { fetcher } from './transport';
import { useWords } from './words';

const PLUGINS = [SAMPLES_PLUGIN, explorerPlugin(), HISTORY_PLUGIN];
const wide = matchMedia('(min-width: 900px)').matches;

export default function Workbench({ viewer }: { viewer: Viewer }) {
  // Tabs and history are each partner's own, for browsers that several people use.
  const [storage] = useState(() => createLocalStorage({ namespace: `kyoso:${viewer.partner.id}` }));
  const [firstVisit] = useState(() => storage.length === 0);
  return (
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      plugins={PLUGINS}
      {...(wide && firstVisit ? { visiblePlugin: SAMPLES_PLUGIN } : {})}
      defaultTabs={SAMPLES.map((sample) => ({ query: sample.query, variables: variablesOf(sample, viewer) }))}
      defaultQuery=""
      defaultEditorToolsVisibility={wide ? 'variables' : false}
      editorTheme={EDITOR_THEME}
      forcedTheme={useScheme()}
      inputValueDeprecation
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>{null}</GraphiQL.Logo>
      <GraphiQL.Footer>
        <LiveFeed />
      </GraphiQL.Footer>
      <WrappedLines />
    </GraphiQL>
  );
}

/** Explanations in Japanese run long; without wrapping they end under the buttons. */
function WrappedLines() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on', wrappingIndent: 'indent' }), [queryEditor]);
  return null;
}

function LiveFeed() {
  const say = useWords();
  const { state, count, deliveries } = useLive();
  if (state === 'idle') return null;
  return (
    <section className="live" aria-label={say('deliveries')}>
      <p role="status" data-state={state}>
        <span className="dot" aria-hidden="true" />
        {say(`live.${state}`)}
        <span className="count">{count}</span>
      </p>
      {deliveries.length === 0 ? <p className="hint">{say('noDeliveries')}</p> : <Deliveries deliveries={deliveries} />}
    </section>
  );
}

function Deliveries({ deliveries }: { deliveries: Delivery[] }) {
  const responseEditor = useGraphiQL((state) => state.responseEditor);
  const clock = new Intl.DateTimeFormat(useLanguage(), { timeStyle: 'medium' });
  return (
    <ol>
      {deliveries.map(({ key, at, label, text }) => (
        <li key={key}>
          <button type="button" onClick={() => responseEditor?.setValue(text)}>
            <time dateTime={at.toISOString()}>{clock.format(at)}</time> {label}
          </button>
        </li>
      ))}
    </ol>
  );
}
