/** The editors in the page's colours. Defined before GraphiQL mounts: Monaco ignores a theme named too early. */
import * as monaco from 'monaco-graphql/esm/monaco-editor.js';

type Palette = { ink: string; quiet: string; indigo: string; teal: string; vermilion: string; leaf: string; surface: string; wash: string };

const LIGHT: Palette = {
  ink: '#1c2430', quiet: '#6b7689', indigo: '#1d3f72', teal: '#1d6877', vermilion: '#a8341b', leaf: '#2b6a47',
  surface: '#ffffff', wash: '#1d3f7214',
};
const DARK: Palette = {
  ink: '#e8ecf2', quiet: '#8b98ac', indigo: '#a9c3f0', teal: '#8ad0de', vermilion: '#f0a08c', leaf: '#8fd1ac',
  surface: '#18202b', wash: '#a9c3f01c',
};

function define(name: string, base: 'vs' | 'vs-dark', { ink, quiet, indigo, teal, vermilion, leaf, surface, wash }: Palette) {
  const rule = (token: string, foreground: string) => ({ token, foreground });
  monaco.editor.defineTheme(name, {
    base,
    inherit: true,
    rules: [
      rule('', ink), rule('comment', quiet), rule('keyword', vermilion), rule('type', indigo), rule('string', leaf),
      rule('string.key.json', indigo), rule('string.value.json', leaf), rule('number', vermilion),
      rule('keyword.json', vermilion), rule('argument.identifier.gql', teal), rule('key.identifier.gql', ink),
      rule('annotation', teal), rule('variable', teal), rule('type.identifier.gql', indigo),
    ],
    colors: {
      'editor.background': '#ffffff00',
      'editor.foreground': ink,
      'editorLineNumber.foreground': quiet,
      'editorLineNumber.activeForeground': ink,
      'editorCursor.foreground': vermilion,
      'scrollbar.shadow': '#ffffff00',
      'focusBorder': indigo,
      'textLink.foreground': indigo,
      'editorHoverWidget.background': surface,
      'editorSuggestWidget.background': surface,
      'editorSuggestWidget.selectedBackground': wash,
      'editorSuggestWidget.selectedForeground': indigo,
      'editorWidget.background': surface,
      'menu.background': surface,
      'menu.selectionBackground': wash,
      'menu.selectionForeground': indigo,
      'quickInput.background': surface,
      'quickInputList.focusBackground': wash,
      'quickInputList.focusForeground': ink,
      'list.hoverBackground': wash,
      'list.highlightForeground': indigo,
    },
  });
}

export const EDITOR_THEME = { light: 'kyoso-light', dark: 'kyoso-dark' };
define(EDITOR_THEME.light, 'vs', LIGHT);
define(EDITOR_THEME.dark, 'vs-dark', DARK);
