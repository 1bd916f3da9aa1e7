/** Every word of the chrome, in Japanese and English. */
import { language, useLanguage, type Language } from './preferences';

const WORDS = {
  tagline: ['採用をひとつの共創ネットワークに', 'Recruiting as one shared network'],
  welcome: [
    'パートナーとしてログインすると、契約と同意の範囲で見えるデータを、そのままGraphQLで試せます。',
    'Sign in as a partner and explore, in GraphQL, exactly what your scopes, agreements and the candidates’ consents let you see.',
  ],
  signIn: ['ログインして始める', 'Sign in to begin'],
  signInAgain: ['もう一度ログイン', 'Sign in again'],
  signOut: ['ログアウト', 'Sign out'],
  loading: ['読み込んでいます…', 'Loading…'],
  samples: ['見本クエリ', 'Sample queries'],
  samplesTitle: ['見本 Samples', 'Samples 見本'],
  samplesHint: [
    '選ぶと新しいタブで開きます。実行は Ctrl+Enter（Mac は ⌘+Enter）。',
    'Each opens in a tab of its own. Run it with Ctrl+Enter (⌘+Enter on a Mac).',
  ],
  missingScopes: ['足りない権限', 'Missing scopes'],
  account: ['アカウント', 'Account'],
  accountPages: ['ログインと安全・チーム・開発者', 'Sign-in, security, team, developers'],
  grantedScopes: ['このログインの権限', 'Scopes of this sign-in'],
  language: ['言語', 'Language'],
  theme: ['配色', 'Theme'],
  'theme.system': ['自動', 'System'],
  'theme.light': ['ライト', 'Light'],
  'theme.dark': ['ダーク', 'Dark'],
  shortcuts: ['キーボード', 'Keyboard'],
  'key.run': ['実行', 'Run'],
  'key.complete': ['補完', 'Complete'],
  'key.prettify': ['整形', 'Prettify'],
  'key.docs': ['ドキュメント検索', 'Search the docs'],
  'key.leave': ['Tabキーで次の部品へ移る（入力欄で切り替え）', 'Let Tab leave the editor (toggle)'],
  sessionEnded: [
    'ログインの期限が切れました。書きかけのクエリはこのブラウザに残っています。',
    'Your sign-in has ended. Your queries are kept in this browser.',
  ],
  accessDenied: ['許可されなかったため、ログインしていません。', 'Access was not granted, so you are not signed in.'],
  signInLost: [
    'ログインの途中の情報が見つかりません。もう一度ログインしてください。',
    'This sign-in was started elsewhere or has already been used. Please sign in again.',
  ],
  signInRefused: ['ログインできませんでした。', 'The server refused the sign-in.'],
  signInFailed: ['ログインできませんでした。もう一度お試しください。', 'The sign-in failed. Please try again.'],
  unreachable: ['サーバーに接続できません。起動しているか確かめてください。', 'The server cannot be reached. Is it running?'],
  otherAddress: ['このサーバーの正しいアドレスから開いてください。', 'Please open this page at the server’s own address.'],
  revocationFailed: [
    'この画面からはログアウトしましたが、サーバーに伝えられませんでした。トークンは期限で切れます。',
    'You are signed out here, but the server could not be told. The tokens end by themselves.',
  ],
  'live.connecting': ['接続しています', 'Connecting'],
  'live.live': ['受信中', 'Live'],
  'live.waiting': ['再接続を待っています', 'Waiting to reconnect'],
  'live.ended': ['停止しました', 'Stopped'],
  deliveries: ['届いたイベント', 'Events received'],
  noDeliveries: ['まだ届いていません', 'Nothing has arrived yet'],
} as const satisfies Record<string, readonly [ja: string, en: string]>;

export type Word = keyof typeof WORDS;

const say = (word: Word, tongue: Language) => WORDS[word][tongue === 'ja' ? 0 : 1];

/** For code outside React; the screen uses useWords(), which follows the language switch. */
export const sayNow = (word: Word) => say(word, language());

export function useWords() {
  const tongue = useLanguage();
  return (word: Word) => say(word, tongue);
}
