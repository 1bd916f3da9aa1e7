/** The bar on top: who is signed in, language, theme. */
import { setLanguage, setTheme, useLanguage, useTheme, type Theme } from './preferences';
import { signOut, useSession, type Viewer } from './session';
import { useWords } from './words';

const KINDS: Record<string, string> = {
  Company: '企業 Company',
  School: '学校 School',
  Agency: '人材紹介会社 Agency',
  Referrer: '紹介者 Referrer',
  Community: '団体 Community',
};
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="12" cy="16" r="7.6" />
      <circle cx="20" cy="16" r="7.6" />
    </svg>
  );
}

export function Bar() {
  const session = useSession();
  return (
    <header className="bar">
      <a className="brand" href="/graphiql">
        <Mark />
        <span lang="ja">共創</span> <b>Kyoso</b> <i>GraphiQL</i>
      </a>
      <div className="tools">
        <LanguageSwitch />
        <ThemeSwitch />
        {session.phase === 'in' && <Account viewer={session.viewer} />}
      </div>
    </header>
  );
}

function LanguageSwitch() {
  const say = useWords();
  const language = useLanguage();
  return (
    <div className="switch" role="group" aria-label={say('language')}>
      <button type="button" lang="ja" aria-pressed={language === 'ja'} onClick={() => setLanguage('ja')}>日本語</button>
      <button type="button" lang="en" aria-pressed={language === 'en'} onClick={() => setLanguage('en')}>
        <span className="wide">English</span><span className="narrow" aria-hidden="true">EN</span>
      </button>
    </div>
  );
}

function ThemeSwitch() {
  const say = useWords();
  return (
    <label className="theme">
      <span className="unseen">{say('theme')}</span>
      <select value={useTheme()} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
        {THEMES.map((theme) => <option key={theme} value={theme}>{say(`theme.${theme}`)}</option>)}
      </select>
    </label>
  );
}

function Account({ viewer }: { viewer: Viewer }) {
  const say = useWords();
  return (
    <>
      <button type="button" className="account" popoverTarget="account" aria-label={`${say('account')}: ${viewer.partner.name}`}>
        <span className="initial" aria-hidden="true">{[...viewer.partner.name.replace(/^(株式会社|学校法人|一般社団法人)\s*/, '')][0]}</span>
        <span className="name">{viewer.partner.name}</span>
      </button>
      <div id="account" popover="auto" className="card">
        <p className="kind">{KINDS[viewer.partner.__typename] ?? viewer.partner.__typename}</p>
        <p className="partner">{viewer.partner.name}</p>
        <p className="login">{viewer.login}</p>
        <h2>{say('grantedScopes')}</h2>
        <ul className="scopes">{viewer.scopes.map((scope) => <li key={scope}>{scope}</li>)}</ul>
        <a className="pages" href="/login">{say('accountPages')}</a>
        <button type="button" className="secondary" onClick={() => void signOut()}>{say('signOut')}</button>
      </div>
    </>
  );
}
