/** Types of the visit; see `../view/types.d.ts` for those of the view. */

/** The model, mode and engine that the visitor or the address chose. */
interface Chosen {
  model: string;
  run: Run;
  /** The server's engine. */
  engine: string | null;
}

/**
 * Where the open photo goes, if not where the next one would: it waits for this device, or is being
 * sent; "file" if this device can't read it.
 */
type Place = "device" | "server" | "file";

interface VisitState {
  /** Number of the current step; events of an earlier step are dropped. */
  step: number;
  /** `opening`: the answer in the address isn't shown yet. */
  phase: "empty" | "opening" | "taking" | "waiting" | "answered" | "failed";
  chosen: Chosen;
  /** The photo on the screen, with its answer once there is one; null for the live picture. */
  entry: Entry | null;
  /** The last answered entry, shown again if the visitor declines a question. */
  answered: Entry | null;
  /** The permission of the last press, until its photo arrives. */
  press: Permission | null;
  place: Place | null;
  error: any;
  /** What was sent for a photo that got no answer. */
  sent: Answer["sent"] | null;
  /** The permission of a photo that waits for a connection, and its deadline: ms since 1970. */
  waiting: { permission: Permission; until: number } | null;
  message: string;
  /** True if the answer takes a while. */
  isSlow: boolean;
  /** Replaces the answer's lines: the progress of "Why?", or what its bright areas mean. */
  explanation: any;
  isExplaining: boolean;
  /** True if the page was left before the photo had an answer. */
  isLeft: boolean;
  isConnected: boolean;
}

/** See `HANDLERS` in `visit.mjs`; events with a `step` are dropped once that step is over. */
interface VisitEvent {
  type: string;
  step?: number;
  [value: string]: any;
}

type Effect =
  | {
      type: "identify";
      step: number;
      /** "no press" to identify the photo again without a press: nothing is sent unasked. */
      permission: Permission | "no press" | null;
      until: number | null;
    }
  | { type: "find"; step: number; token: string | null; photo: string | null }
  | { type: "keep"; entry: Entry }
  | { type: "write" }
  /** `mark` adds the open photo to the history; `settle` adds its answer to that entry. */
  | { type: "mark" }
  | { type: "settle" }
  | { type: "choose" };

/** What the surrounding page provides to a visit. */
interface Host {
  /** Distinguishes apps of one origin. */
  prefix: string;
  /** The address of `device/`. */
  folder: string;
  /** The app's models; `described` says how the server's pixels are made, if known. */
  models: (Model & { downloads?: boolean; described?: Described | null })[];
  /** The app's default model and mode, which the address doesn't name. */
  model: string;
  run: Run;
  engine: string | null;
  /** The engine whose photos the server passes on to another host, and that host. */
  api: { engine: string; host: string } | null;
  server: { url: string; token: string } | null;
  limits: Limits | null;
  graph?: "small" | "full";
  /** How long recent photos are kept. */
  recent: "session" | "day";
  /** Number of candidates to ask for. */
  top: number;
  /** Whether the address names answers. */
  hasLinks: boolean;
  /** True until the surrounding page has loaded; the model's files wait for it. */
  isEarly?: boolean;
  /** Called with the folder of each model that is ready on this device. */
  onReady?: (folder: string) => void;
}

interface Described {
  version: string;
  recipe: Recipe;
}

/** A view that draws the visit. */
interface VisitView {
  draw: () => void;
  /** Asks the visitor; see `ask`. */
  ask: (
    question: Question,
    sent: Answer["sent"] | null,
    signal: AbortSignal,
  ) => Promise<string | null>;
  chooseFile: () => void;
}

type Visit = import("./open_visit.mjs").Visit;
type DeviceModel = import("./device_model.mjs").DeviceModel;
type ModelWorker = import("../engine/model_worker.mjs").ModelWorker;
