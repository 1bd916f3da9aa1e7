import { useGraphiQL, useGraphiQLActions, type GraphiQLPlugin } from '@graphiql/react';
import { useLanguage } from '../preferences';
import { useSession } from '../session';
import { sayNow, useWords, type Word } from '../words';
import { SAMPLES, variablesOf, type Sample } from './index';

const KEYS: readonly [keys: string, word: Word][] = [
  ['Ctrl Enter', 'key.run'],
  ['Ctrl Space', 'key.complete'],
  ['Shift Ctrl P', 'key.prettify'],
  ['Ctrl Alt K', 'key.docs'],
  ['Ctrl M', 'key.leave'],
];

const PHONE = '(max-width: 700px)';

function Panel() {
  const say = useWords();
  const session = useSession();
  const { addTab, changeTab, setVisiblePlugin } = useGraphiQLActions();
  const { tabs, queryEditor, variableEditor } = useGraphiQL(({ tabs, queryEditor, variableEditor }) => ({
    tabs, queryEditor, variableEditor,
  }));
  const viewer = 'viewer' in session ? session.viewer : undefined;
  if (!viewer) return null;

  const open = (sample: Sample) => {
    // On a phone this pane covers the tabs.
    if (matchMedia(PHONE).matches) setVisiblePlugin(null);
    const already = tabs.findIndex((tab) => tab.query === sample.query);
    if (already >= 0) return changeTab(already);
    addTab();
    queryEditor?.setValue(sample.query);
    variableEditor?.setValue(variablesOf(sample, viewer));
  };
  return (
    <section className="samples" aria-labelledby="samples-title">
      <h2 id="samples-title">{say('samples')}</h2>
      <p className="hint">{say('samplesHint')}</p>
      <ol>
        {SAMPLES.map((sample) => (
          <li key={sample.title[1]}>
            <SampleButton sample={sample} granted={viewer.scopes} open={() => open(sample)} />
          </li>
        ))}
      </ol>
      <h2>{say('shortcuts')}</h2>
      <dl className="keys">
        {KEYS.map(([keys, word]) => (
          <div key={keys}>
            <dt>{keys.split(' ').map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{say(word)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function SampleButton({ sample, granted, open }: { sample: Sample; granted: string[]; open: () => void }) {
  const say = useWords();
  const [first, second] = useLanguage() === 'ja' ? sample.title : [sample.title[1], sample.title[0]];
  // x:write implies x:read.
  const missing = sample.scopes.filter(
    (scope) => !granted.includes(scope) && !granted.includes(scope.replace(/:read$/, ':write')),
  );
  return (
    <button type="button" onClick={open}>
      <strong>{first}</strong>
      <span>{second}</span>
      {missing.length > 0 && <em>{say('missingScopes')}: {missing.join(', ')}</em>}
    </button>
  );
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" aria-hidden="true">
      <path d="M4 5.5A1.5 1.5 0 0 1 5.5 4H10l2 2.5 2-2.5h4.5A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5z" />
      <path d="M8 11h8M8 15h5" strokeLinecap="round" />
    </svg>
  );
}

export const SAMPLES_PLUGIN: GraphiQLPlugin = { title: sayNow('samplesTitle'), icon: Icon, content: Panel };
