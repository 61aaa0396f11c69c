/** The shapes that the view's modules pass around; see `../types.d.ts` for those of the engine. */

type Identifier = import("../visit/identifier.mjs").Identifier;
type Recents = import("../visit/recents.mjs").Recents;

/** The viewfinder's elements by name. */
type Parts = ReturnType<typeof import("./viewfinder_parts.mjs").createParts>;

type LivePicture = import("./live_picture.mjs").LivePicture;

/** What `connectSources` calls; keys return whether they were used. */
interface SourceHandlers {
  /** Called at a press whose photo comes later; the next two calls pass that press on. */
  onBegin: () => Permission;
  onPhoto: (photo: Blob, source: Entry["source"], alt?: string, press?: Permission) => void;
  onRefusal: (message: string, press?: Permission) => void;
  onSpace: () => boolean;
  onEscape: () => boolean;
}

/** See `Identifier.state`. */
interface IdentifierState {
  device: "off" | "loading" | "ready" | "failed";
  /** Bytes so far, of `total`. */
  loaded: number;
  total: number;
  /** True while the download waits for a connection. */
  isStalled: boolean;
  /** The reason why the device doesn't answer, and the code of its error. */
  reason: string | null;
  code: string | null;
  server: "ready" | "failed" | "none";
  isConnected: boolean;
  /** Where the next photo is answered. */
  next: "device" | "server";
  /** The part of the next photo that the server gets; null until known. */
  sends: Sending | null;
}

interface Model {
  name: string;
  title: string;
  /** The labels' language, their number, and the first labels in words. */
  language: string;
  count: number;
  knows: Phrase;
  samples: Sample[];
  /** True if this browser keeps it, and no server has it. */
  isMadeHere?: boolean;
}

interface Sample {
  title: string;
  alt: string;
  url: string;
  thumbnail: string;
}

/** See `Server.request`. */
interface ServerRequest {
  /** A photo's file, or its pixels; with a correction, only if the visitor agreed. */
  body?: Blob | null;
  /** Describes the body if it holds pixels. */
  pixels?: { pixels: string; packed: boolean };
  /** The answer that is explained or corrected. */
  answer?: Answer;
  /** In a correction, what the photo shows. */
  labels?: string[];
  /** Further fields of a correction. */
  fields?: Record<string, string>;
  /** Number of candidates. */
  top?: number;
}

interface Transfer {
  signal?: AbortSignal;
  /** Called once sending begins, perhaps several times; with false if nothing was sent. */
  onSent?: (isSent: boolean) => void;
}

/** A part of a photo that may leave the device. */
type Part = "nothing" | "pixels" | "copy" | "file";

/** What may leave the device after one press, as the words on the screen said at that moment. */
interface Permission {
  readonly part: Part;
  /** Who may get it: the model, and the host to which the server passes it, if there is one. */
  readonly model: string | null;
  readonly host: string | null;
  /** The photo; null until it is taken. */
  readonly photo: Blob | null;
  /** True if a file that this browser can't read may be sent. */
  readonly isFileAllowed: boolean;
  /** Aborted when the permission ends. */
  readonly signal: AbortSignal;
}

/** What a request needs; `cause` is why the device can't read the file. */
interface Need extends Pick<Permission, "part" | "model" | "host" | "photo"> {
  cause?: import("../engine/errors.mjs").LoupeError;
}

/** See `ask`. */
interface Question {
  title: string;
  line: string;
  ways: { name: string; icon: string; title: string; line: string }[];
  /** The question with more details, once they are known. */
  follow?: (show: (question: Question) => void, end: (way: string) => void) => void;
  /** Text of the button that leaves all as it is. */
  keep?: string | null;
}

/** See `mountViewfinder`. */
interface ViewfinderOptions {
  /** The page's theme; by default the system's. */
  theme: "dark" | "light" | null;
  actions: {
    /** Whether visitors can say that an answer is right, or what it should have been. */
    right?: boolean;
    correct?: boolean;
    share?: (entry: Entry) => void;
    lookUp?: (entry: Entry) => void;
  };
  /** CSS length that the page keeps above the viewfinder, whose first screen fills the rest. */
  above: string;
  /** The place for the choice of a model in the page's header; it never changes. */
  header: Element | null;
  /** Number of candidates to show. */
  rows: number;
  /** The app's headline and line; an empty line is replaced by what the model knows. */
  words: { headline: string; desk: string; line: string };
  /** The address of "Teach". */
  teach: string;
  /** The address of "Models", or null. */
  about: string | null;
  /** A sentence about the model, shown until there is a photo; "" for none. */
  notice: string;
  /** Called after each drawing. */
  onDraw?: () => void;
  /** Opens the settings of where the model runs, in place of the menu. */
  onWhere?: () => void;
  /** Reloads the model; by default, its identifier starts again. */
  onRetry?: () => void;
}

/** The element of a selector with classes, such as "p.vf-small". */
type ElementOf<Selector extends string> = (
  Selector extends `${infer Tag}.${string}` ? Tag : Selector
) extends infer Name extends keyof HTMLElementTagNameMap
  ? HTMLElementTagNameMap[Name]
  : HTMLElement;
