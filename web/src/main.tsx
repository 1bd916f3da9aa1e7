import { lazy, StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { Bar, Mark } from './chrome';
import { applyToDocument, useLanguage } from './preferences';
import { SAMPLES } from './samples';
import { signIn, start, useSession, type Problem } from './session';
import { useWords } from './words';
import './page.css';

const Workbench = lazy(() => import('./workbench'));

function App() {
  const say = useWords();
  const session = useSession();
  const waiting = <p className="waiting" role="status">{say('loading')}</p>;
  return (
    <>
      <Bar />
      {session.phase === 'ended' && <Notice problem={session.problem} action={say('signInAgain')} />}
      <main>
        {session.phase === 'starting' && waiting}
        {session.phase === 'out' && <Welcome {...(session.problem ? { problem: session.problem } : {})} />}
        {'viewer' in session && <Suspense fallback={waiting}><Workbench viewer={session.viewer} /></Suspense>}
      </main>
    </>
  );
}

function Notice({ problem, action }: { problem: Problem; action?: string }) {
  const say = useWords();
  return (
    <div className="notice" role="alert">
      <p>
        {say(problem.word)}
        {problem.href && <> <a href={problem.href}>{problem.href}</a></>}
        {problem.detail && <small>{problem.detail}</small>}
      </p>
      {action && <button type="button" className="primary" onClick={() => void signIn()}>{action}</button>}
    </div>
  );
}

function Welcome({ problem }: { problem?: Problem }) {
  const say = useWords();
  const japanese = useLanguage() === 'ja';
  return (
    <div className="welcome">
      {problem && <Notice problem={problem} />}
      <Mark />
      <h1>{say('tagline')}</h1>
      <p className="lead">{say('welcome')}</p>
      <button type="button" className="primary" onClick={() => void signIn()}>{say('signIn')}</button>
      <h2>{say('samples')}</h2>
      <ul>
        {SAMPLES.map(({ title }) => <li key={title[1]}>{title[japanese ? 0 : 1]}</li>)}
      </ul>
    </div>
  );
}

applyToDocument();
const root = document.getElementById('app');
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
void start();
