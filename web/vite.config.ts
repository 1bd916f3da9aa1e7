import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const TEXT = /\.(css|html|js|svg|ttf)$/;

/** Writes a .gz beside each text file, so that the server never compresses at run time; prints the total. */
function compressed(): Plugin {
  return {
    name: 'kyoso-compressed',
    apply: 'build',
    closeBundle() {
      const folder = join(import.meta.dirname, 'dist');
      let totalBytes = 0;
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!TEXT.test(name)) continue;
        const bytes = gzipSync(readFileSync(join(folder, name)), { level: 9 });
        totalBytes += bytes.length;
        writeFileSync(join(folder, `${name}.gz`), bytes);
      }
      console.log(`GraphiQL bundle: ${Math.round(totalBytes / 1024)} KiB after gzip`);
    },
  };
}

export default defineConfig({
  base: '/graphiql/',
  plugins: [compressed()],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    sourcemap: false,
    // Fonts inside GraphiQL's stylesheet are data URLs already; everything else stays a file with its own hash.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 8_000,
    rolldownOptions: {
      // Libraries mark files "use client" for server rendering, which this page does not do.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
});
