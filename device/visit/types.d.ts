/** The shapes of the visit; see `../view/types.d.ts` for those of the view. */

import type { Answer, Entry, Limits, Recipe, Run } from "../types";
import type { Model, Part, Permission, Question } from "../view/types";

/** What answers photos, as the visitor or an address chose it. */
export interface Chosen {
  model: string;
  run: Run;
  /** The server's engine. */
  engine: string | null;
}

export interface VisitState {
  /** Number of the present step; events that name an earlier one are late. */
  step: number;
  /** `opening`: the answer in the address isn't shown yet. */
  phase: "empty" | "opening" | "taking" | "waiting" | "answered" | "failed";
  chosen: Chosen;
  /** The photo that is shown, in time with its answer; null for the live picture. */
  entry: Entry | null;
  /** The last answered entry, for a visitor who declines a question. */
  answered: Entry | null;
  /** The permission of the last press, until its photo is there. */
  press: Permission | null;
  /** "device" for a photo that this device answers though the next one would go to the server. */
  place: "device" | null;
  error: any;
  /** What was sent of a photo that got no answer. */
  sent: Answer["sent"] | null;
  /** The permission of a photo that waits for a connection, and until when: milliseconds since 1970. */
  waiting: { permission: Permission; until: number } | null;
  message: string;
  /** True if the answer takes a while. */
  isSlow: boolean;
  /** A phrase in place of the answer's lines: how far "Why?" is, or what its light means. */
  explanation: any;
  isExplaining: boolean;
  /** True for a photo without an answer whose page was left. */
  isLeft: boolean;
  isConnected: boolean;
}

/** See `HANDLERS` in `visit.mjs`; events with a `step` are dropped once that is over. */
export interface VisitEvent {
  type: string;
  step?: number;
  [value: string]: any;
}

export type Effect =
  | {
      type: "identify";
      step: number;
      /** "no press" for a photo that is identified again only as far as that needs none. */
      permission: Permission | "no press" | null;
      until: number | null;
    }
  | { type: "find"; step: number; token: string | null; photo: string | null }
  | { type: "keep"; entry: Entry }
  | { type: "write" }
  /** Marks the open photo in the history; the second names its answer there. */
  | { type: "mark" }
  | { type: "settle" }
  | { type: "choose" };

/** What the page around a visit knows. */
export interface Host {
  /** Tells apps of one origin apart. */
  prefix: string;
  /** The address of `device/`. */
  folder: string;
  /** The app's models; each with what makes the server's pixels, if that is known. */
  models: (Model & { downloads?: boolean; described?: Described | null })[];
  /** The model and the mode that are the app's own, and so not in the address. */
  model: string;
  run: Run;
  engine: string | null;
  /** The engine whose photos the server passes on, and to which host. */
  api: { engine: string; host: string } | null;
  server: { url: string; token: string } | null;
  limits: Limits | null;
  graph?: "small" | "full";
  /** How long recent photos are kept. */
  recent: "session" | "day";
  /** Number of candidates to ask for. */
  top: number;
  /** Whether answers are in the address. */
  hasLinks: boolean;
  /** True while the page around it is to come, whose files come before the model's. */
  isEarly?: boolean;
  /** Called with the folder of each model that is ready on this device. */
  onReady?: (folder: string) => void;
}

export interface Described {
  version: string;
  recipe: Recipe;
}

/** What draws the visit. */
export interface VisitView {
  draw: () => void;
  /** Asks the visitor; see `ask`. */
  ask: (
    question: Question,
    sent: Answer["sent"] | null,
    signal: AbortSignal,
  ) => Promise<string | null>;
  chooseFile: () => void;
}
