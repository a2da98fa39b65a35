import { type FSWatcher, watch } from 'node:fs';

export interface FolderWatch {
  /** Watches exactly these folders from now on. */
  follow(folders: readonly string[]): void;
  close(): void;
}

/**
 * One inotify watch a folder. Node's `recursive` on Linux is the same thing inside, but loses a folder that was deleted
 * and came back, and fails as a whole at the first folder it may not read. A watch that cannot be had (no inotify
 * instances left, a network file system) is no error: the caller polls anyway.
 */
export function watchFolders(onChange: () => void): FolderWatch {
  const watches = new Map<string, FSWatcher>();
  const drop = (folder: string): void => {
    watches.get(folder)?.close();
    watches.delete(folder);
  };
  const add = (folder: string): void => {
    try {
      const watcher = watch(folder, { persistent: false });
      watches.set(folder, watcher);
      watcher.on('change', (type, name) => {
        // The folder itself was renamed or removed: the watch would stay with the old inode.
        if (type === 'rename' && name !== null && folder.endsWith(`/${String(name)}`)) drop(folder);
        // Swap files, our own lock and temporary file: scanProfiles passes them over too.
        if (name === null || !String(name).startsWith('.')) onChange();
      });
      watcher.on('error', () => {
        drop(folder);
        onChange();
      });
    } catch {
      watches.delete(folder);
    }
  };
  return {
    follow: (folders) => {
      for (const folder of watches.keys()) if (!folders.includes(folder)) drop(folder);
      for (const folder of folders) if (!watches.has(folder)) add(folder);
    },
    close: () => {
      for (const folder of watches.keys()) drop(folder);
    },
  };
}
