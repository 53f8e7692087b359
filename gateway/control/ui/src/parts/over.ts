/** Dialogs over a drawer: Esc closes the one on top alone, where the library would close both. */
import { useEffect } from "react";

let over = 0;

/** Of a dialog that may open over a drawer. */
export function useOver(opened: boolean): void {
  useEffect(() => {
    if (!opened) return undefined;
    over += 1;
    // Until the key that closed it has been heard by everybody.
    return () => void setTimeout(() => { over -= 1; });
  }, [opened]);
}

/** Whether a dialog is over a drawer, which then stays as it is. */
export function isCovered(): boolean {
  return over > 0;
}
