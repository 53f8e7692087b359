/** The conversations side by side: each with a model of its own, all asked the same. */
import { useCallback, useEffect, useRef, useState } from "react";
import { answer } from "./asking";
import type { AnswerTurn, Parameters, Result, Turn, UserTurn } from "./conversation";

export const MOST = 4;

export interface Pane {
  id: number;
  model: string;
  turns: Turn[];
}

export function isBusy(pane: Pane): boolean {
  const last = pane.turns.at(-1);
  return last?.role === "assistant" && last.state === "streaming";
}

/** Whether a pane's answer waits for what its tools say. */
export function waitsForTools(pane: Pane): boolean {
  const last = pane.turns.at(-1);
  return last?.role === "assistant" && last.state !== "streaming" && last.state !== "failed" && last.calls.length > 0;
}

export function usePanes(models: string[], parameters: Parameters) {
  const [panes, setPanes] = useState<Pane[]>(() => (models.length ? models : [""]).slice(0, MOST).map((model, id) => ({ id, model, turns: [] })));
  const next = useRef(MOST);
  const running = useRef(new Map<number, AbortController>());

  useEffect(() => {
    const all = running.current;
    return () => all.forEach((each) => each.abort());
  }, []);

  const change = useCallback((id: number, to: (pane: Pane) => Pane) => setPanes((old) => old.map((pane) => (pane.id === id ? to(pane) : pane))), []);

  /** Ask with these turns, and keep what comes in the pane. */
  const ask = useCallback(
    (pane: Pane, turns: Turn[]) => {
      const abort = new AbortController();
      running.current.get(pane.id)?.abort();
      running.current.set(pane.id, abort);
      const show = (turn: AnswerTurn) => {
        // Of a question that was given up for another one nothing more is heard.
        if (running.current.get(pane.id) === abort) change(pane.id, (old) => ({ ...old, turns: [...turns, turn] }));
      };
      void answer(pane.model, turns, parameters, show, abort.signal);
    },
    [change, parameters],
  );

  const send = (turn: UserTurn) => {
    for (const pane of panes.filter((each) => each.model.trim())) ask(pane, [...pane.turns, turn]);
  };
  const sendResults = (pane: Pane, results: Result[]) => ask(pane, [...pane.turns, { role: "tool", results }]);
  /** The last answer once more. */
  const again = (pane: Pane) => ask(pane, pane.turns.at(-1)?.role === "assistant" ? pane.turns.slice(0, -1) : pane.turns);
  const stop = () => running.current.forEach((each) => each.abort());

  const add = () => {
    next.current += 1;
    const id = next.current;
    // It joins with what was asked so far; the answers are the others' own.
    setPanes((old) => (old.length < MOST ? [...old, { id, model: "", turns: [] }] : old));
  };
  const remove = (id: number) => {
    running.current.get(id)?.abort();
    running.current.delete(id);
    setPanes((old) => old.filter((pane) => pane.id !== id));
  };
  const clear = () => {
    stop();
    running.current.clear();
    setPanes((old) => old.map((pane) => ({ ...pane, turns: [] })));
  };
  const choose = (id: number, model: string) => change(id, (pane) => ({ ...pane, model }));

  return { panes, send, sendResults, again, stop, add, remove, clear, choose };
}
