/** What a person likes, kept in this browser: the language of the chrome and the theme. */
import { useSyncExternalStore } from 'react';

export type Language = 'ja' | 'en';
export type Theme = 'system' | 'light' | 'dark';

const listeners = new Set<() => void>();
const darkSystem = matchMedia('(prefers-color-scheme: dark)');
darkSystem.addEventListener('change', changed);

function stored<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  const value = localStorage.getItem(key);
  return allowed.find((one) => one === value) ?? otherwise;
}

function store(key: string, value: string) {
  localStorage.setItem(key, value);
  changed();
}

function changed() {
  applyToDocument();
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const language = (): Language =>
  stored('kyoso:language', ['ja', 'en'], navigator.language.startsWith('en') ? 'en' : 'ja');
export const theme = (): Theme => stored('kyoso:theme', ['system', 'light', 'dark'], 'system');

/** The theme as it is seen: where it is the system's, it changes with the system. */
const scheme = () => {
  const chosen = theme();
  return chosen === 'system' ? (darkSystem.matches ? 'dark' : 'light') : chosen;
};

export const setLanguage = (value: Language) => store('kyoso:language', value);
export const setTheme = (value: Theme) => store('kyoso:theme', value);

export const useLanguage = () => useSyncExternalStore(subscribe, language);
export const useTheme = () => useSyncExternalStore(subscribe, theme);
export const useScheme = () => useSyncExternalStore(subscribe, scheme);

/** The stylesheet and screen readers follow these two attributes. */
export function applyToDocument() {
  document.documentElement.lang = language();
  document.documentElement.dataset['theme'] = scheme();
}
