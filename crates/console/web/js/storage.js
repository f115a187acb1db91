// What the browser remembers. Where it may not, nothing is remembered and everything works.

export function read(area, name) {
  try {
    return area().getItem(name);
  } catch {
    return null;
  }
}

export function write(area, name, value) {
  try {
    if (value === null) area().removeItem(name);
    else area().setItem(name, value);
  } catch {
    // As said above.
  }
}

/** For as long as the tab is open. */
export const tab = () => sessionStorage;
/** For ever. */
export const browser = () => localStorage;
