/** What a drop from the desktop holds: files, and folders that are images. No DOM but what the drop brings. */

/** What is dropped: a file, or a folder by its name (a browser shows nothing of its inside here). @typedef {{file: File, folder: boolean}} Dropped */

/** Endings of folders that are images. */
const IMAGE_FOLDER = /\.(zarr|n5|precomputed)$/i;

/**
 * Why dropped folders are not taken, or "".
 * @param {Dropped[]} dropped
 */
export function folderProblem(dropped) {
  const plain = dropped.find((one) => one.folder && !IMAGE_FOLDER.test(one.file.name));
  return plain
    ? `${plain.file.name} is a folder: drop the images in it, or type a pattern such as ${plain.file.name}/*.tif as path.`
    : "";
}

/** How many files hover over the window, where the browser says so; else 1. @param {DataTransfer | null} transfer */
export const hovering = (transfer) => [...(transfer?.items || [])].filter((item) => item.kind === "file").length || 1;

/**
 * What is asked of a file that was dropped onto the row of an image: the sentence, what it means, and the ways.
 * @param {{nickname: string, location?: string | null, missing?: string | null}} lane @param {string} name of the file
 * @returns {{text: string, detail: string, ways: {text: string, act: "repair" | "replace" | "add"}[]}}
 */
export function rowQuestion(lane, name) {
  const { nickname, location, missing } = lane;
  const was = location ? `${nickname} is ${location} now${missing ? ", which is missing" : ""}. ` : "";
  return {
    text: `Replace ${nickname} by ${name}?`,
    detail: `${was}Strokes stay where they fit. Undo brings it back.`,
    ways: [
      ...(missing ? [{ text: "It is the missing file", act: /** @type {const} */ ("repair") }] : []),
      { text: "Replace", act: "replace" },
      { text: "Add it instead", act: "add" },
    ],
  };
}

/**
 * What a drop holds; only while the event is handled does a browser say what is a folder.
 * @param {DataTransfer | null} transfer @returns {Dropped[]}
 */
export function droppedOf(transfer) {
  const items = [...(transfer?.items || [])].filter((item) => item.kind === "file");
  const found = items.flatMap((item) => {
    const folder = !!item.webkitGetAsEntry?.()?.isDirectory,
      file = item.getAsFile();
    return file ? [{ file, folder }] : [];
  });
  return found.length ? found : [...(transfer?.files || [])].map((file) => ({ file, folder: false }));
}
