/**
 * The shapes that modules pass around, for the type checker alone: no browser loads this file. They
 * are global, so that comments in modules import nothing.
 */

type GraphName = "small" | "full";

/** A mode of answering photos: `auto` is on the device once it can. */
type Run = "auto" | "device" | "server";

/** The part of a photo that the server gets: the pixels that the model takes, or the file. */
type Sending = "pixels" | "file";

interface Size {
  width: number;
  height: number;
}

/** A part of a picture, in its pixels. */
interface Region extends Size {
  x: number;
  y: number;
}

/** RGBA bytes, row by row, as `getImageData` returns them. */
interface Image extends Size {
  data: Uint8ClampedArray<ArrayBuffer>;
}

type Filter = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

/** See `PreprocessConfig` in `model/preprocess.py`; sizes are height and width. */
interface Recipe {
  resize: [number, number];
  method?: "crop" | "pad" | "squish";
  padding?: "zeros" | "border" | "reflection";
  interpolation?: Filter;
  crop?: [number, number] | null;
  decoding?: "scaled" | "whole";
  greyscale?: boolean;
}

/** What photos the server takes: `LIMITS` in `model/browser/device_files.py`. */
interface Limits {
  bytes: number;
  pixels: number;
  side: number;
  formats: string;
}

/** A packed file, with the hash of what is in it. */
interface PackedFile {
  url: string;
  bytes: number;
  sha256: string;
}

interface Graph extends PackedFile {
  /** What the kernels run; absent if the graph needs ONNX Runtime. */
  network?: PackedFile;
  calibration: { label_thresholds: number[] | null; ood_threshold: number | null } | null;
  golden: PackedFile & {
    count: number;
    probabilities: number[][];
    novelty: number[] | null;
    tolerance: number;
  };
  /** Absent if the graph returns none: then the model is no base. */
  features?: Features;
}

/** The features that a few-shot head takes of a base, see `model/teaching/`. */
interface Features {
  size: number;
  /** Of all that computes them: it tells another base from the same one, calibrated anew. */
  sha256: string;
  /** Cosine to a mean from which a photo is accepted while too few groups were left out. */
  fallback_cosine: number;
  /** Cosine from which photos of one label are near copies. */
  near_copy: number;
}

/** A text with labels in it, which have a language of their own. */
type Phrase = (string | { label: string })[];

interface Records {
  labels: Phrase[];
  plausible: Phrase;
  unknown: Phrase;
}

/** See `model/answer/words.json` and `device_words`. */
interface Words {
  /** Whether the temperature was only estimated, or a few-shot head never tested. */
  estimated: boolean;
  present_from: number;
  certainties: {
    certainty: string;
    /** What a prediction must equal, or two bounds. */
    when: Record<string, boolean | number | { min?: number; max?: number }>;
    headline: string;
    note?: string;
    record?: "labels" | "plausible" | "unknown";
  }[];
  conjunctions: { present: string; plausible: string };
  testing: { same_graph: string; other_graph: string };
  percent: { below?: number; text?: string; digits?: number; at_most?: number }[];
  things: string;
  names: Phrase[];
  records: { full: Records | null; small?: Records | null };
}

/** The contents of `model.json`; see `model_json`. */
interface ModelConfig {
  format: number;
  name: string;
  title: string;
  description: string;
  version: string;
  language: string;
  multilabel: boolean;
  labels: string[];
  recipe: Recipe;
  limits: Limits;
  words: Words;
  graphs: Record<GraphName, Graph>;
  /** ONNX Runtime, where the app has it. */
  runtime: { module: string; wasm: string; bytes: number; sha256: string } | null;
}

/** A loaded model: its config without its files. */
interface ModelInfo extends Omit<ModelConfig, "graphs" | "runtime"> {
  graph: GraphName;
  calibrated: boolean;
  isPacked: boolean; // false if it runs on onnxruntime-web
  /** Null if the model can't be taught new labels. */
  features: Features | null;
}

/** A graph's outputs for one photo. */
interface Output {
  probabilities: Float32Array;
  novelty: number | null;
}

/** A few-shot head: weight and means [labels, D], bias [labels]; means are of length one. */
interface Head {
  weight: Float32Array;
  bias: Float32Array;
  means: Float32Array;
}

/** What a head is trained on; everything that is "by photo" is in one order. */
interface TeachValues extends Pick<Features, "fallback_cosine" | "near_copy"> {
  /** By photo. */
  features: Float32Array[];
  /** The place of each photo's label. */
  targets: number[];
  /** The recording that each photo is a frame of; a single photo is a recording of its own. */
  recordings: string[];
  /** Number of labels, each with at least one photo. */
  labels: number;
}

/** What was found for groups that were left out. */
interface LeftOut {
  folds: "each group" | "five";
  /** Groups by label: those called rightly, and those that were left out. */
  right: number[];
  counted: number[];
  /** Of the share that was right, 95%. */
  interval: [number, number];
  /** Groups of one label that were called another one, with all of their photos. */
  confusions: { label: number; called: number; groups: number; photos: number[] }[];
  /** Photos whose own top label was wrong. */
  standing_out: { photo: number; label: number; called: number }[];
}

/** A trained head, and what is known of it. */
interface Taught extends Pick<
  LoupeManifest,
  "temperature" | "ood_threshold" | "promise" | "photos" | "groups"
> {
  head: Head;
  /** The number of each photo's group. */
  groupOf: number[];
  /** Null if no label has a second group: it can't be known yet. */
  accuracy: LeftOut | null;
}

/** Outputs for the drawn pictures, see `draw`: logits [2, labels] and OOD scores [2]. */
interface LoupeGolden {
  drawing: 1;
  logits: number[][];
  novelty: number[];
}

/** `manifest.json` in a `.loupe` file. */
interface LoupeManifest {
  format: 1;
  title: string;
  language: string;
  labels: string[];
  base: { name: string; version: string; features: string; size: number };
  temperature: number;
  ood_threshold: number;
  /** The share of known things that get a label; null if there are too few groups to promise. */
  promise: number | null;
  /** An ISO date. */
  made: string;
  /** By label. */
  photos: number[];
  groups: number[];
  accuracy: Pick<LeftOut, "right" | "counted" | "folds"> | null;
  head: { sha256: string; bytes: number };
  /** Absent until the model is saved. */
  golden?: LoupeGolden;
}

/** What is kept to teach a model. */
interface Project {
  /** Empty until it is given. */
  title: string;
  labels: string[];
  photos: ProjectPhoto[];
  /** Of the photos with their features. */
  bytes: number;
}

interface ProjectPhoto extends PhotoToTeach {
  id: string;
  photo: Blob;
  /** The hash of what computed the features. */
  base: string;
}

/** What a browser keeps of one app; each call throws a `LoupeError` with a sentence. */
interface ProjectStore {
  /** Photos are in the order in which they came. */
  read(): Promise<Project>;
  /** The project without its photos: also the name of its model, and all that it has had. */
  names(): Promise<Pick<Project, "title" | "labels"> & { model?: string; versions?: string[] }>;
  /** Add a photo, and its label if it is new; return the photo's id. */
  addPhoto(photo: Omit<ProjectPhoto, "id">): Promise<string>;
  /**
   * Change all of it in one step; return what undoes it until the page is left. What is absent stays.
   * Photos (`ids`) get the label or, with null, are removed.
   */
  edit(
    edit: Partial<Pick<Project, "title" | "labels">> & { ids?: string[]; label?: string | null },
  ): Promise<() => Promise<void>>;
  setFeatures(id: string, base: string, features: Float32Array): Promise<void>;
  /** Delete the project; models stay. */
  clear(): Promise<void>;
  /** Models that were saved on this device, by name. */
  models(): Promise<Map<string, TaughtModel>>;
  /** Keep a model, or delete it; one of this project (`isOurs`) replaces the one before. */
  setModel(name: string, taught: TaughtModel | null, isOurs?: boolean): Promise<void>;
  /** Ask the browser not to delete the photos; true if it agrees within a moment. */
  persist(): Promise<boolean>;
  close(): void;
}

/**
 * Train the labels that have photos. Photos that another base has seen get the features of this one.
 */
type TrainProject = (
  base: TeachableModel,
  store: ProjectStore,
  project: Omit<Project, "bytes">,
) => ReturnType<TeachableModel["teach"]>;

/**
 * Add a photo of the viewfinder to the project, by its `id` there, and replace the project's model. A
 * photo that was added before gets another label. If it throws, also the signal's reason, the project
 * and its model are as before.
 */
type AddPhoto = (
  base: TeachableModel,
  store: ProjectStore,
  given: { id: string; photo: Blob; label: string; signal: AbortSignal },
) => Promise<{
  /** Says what was done. */
  text: string;
  /** Reverse it, but not what another tab has changed since. */
  undo(base: TeachableModel, store: ProjectStore): Promise<void>;
}>;

/** What teaching needs of a loaded model; see `Model` in `loupe.mjs`. */
interface TeachableModel {
  info: { features: Features };
  takePhoto(photo: Blob): Promise<TakenPhoto>;
  features(photo: Blob): Promise<Float32Array>;
  teach(project: ProjectToTeach): Promise<{ taught: TaughtModel; result: Taught }>;
  addGolden(taught: TaughtModel): Promise<TaughtModel>;
  attach(taught: TaughtModel): Promise<{ info: ModelInfo; close(): void }>;
}

/** Your model: a few-shot head with its description. */
interface TaughtModel {
  manifest: LoupeManifest;
  head: Head;
}

/** Milliseconds by step. */
interface Times {
  decode: number;
  preprocess: number;
  engine: number;
  total: number;
}

/** What computes a graph's outputs by name from pixels, RGB [height, width, 3]. */
interface Engine {
  run(pixels: Uint8Array): Promise<Record<string, Float32Array>>;
  /** Keeps the quicker kernels, unless they are known; `test` runs an engine and throws if its outputs are wrong. */
  chooseKernels?(test: (engine: Engine) => Promise<void>): Promise<string | null>;
}

/** A model with all that answers by it. */
interface Loaded {
  address: string;
  model: ModelConfig;
  graph: GraphName;
  engine: Engine;
  goldenPixels: Uint8Array;
  /** Of a taught model. */
  answer?: (features: Float32Array) => Output;
}

/** The kernels' binary; the relaxed one is quicker in some browsers, and others can't run it. */
type Binary = "kernels" | "kernels-relaxed";

type Kernels = import("./engine/kernels.mjs").Kernels;

/** Runs one kernel or vector operator. */
type Step = () => void;

/** A step of a packed network; places are offsets in bytes, shapes are height, width, channels. */
interface PackedStep extends Record<string, any> {
  op: "look-up" | "convolve" | "depthwise" | "pool" | "add" | "activate" | "scale";
  out: number;
  outShape: number[];
}

/** What a step is bound to: kernels and places in their memory, see `engine/network.mjs`. */
interface PackedNetwork {
  kernels: Kernels;
  size: number[];
  places: { pixels: number; scratch: number };
  map(at: number, shape: number[], channels?: number): number;
  copy(at: number, length: number): number;
  reserve(bytes: number): void;
}

/** Constants of a vector operator: numbers, or a matrix by rows. */
type VectorOperand = Record<"at" | "count" | "weights" | "rows" | "columns", number> & {
  scales?: number;
};

/** The exports of `device/kernels/`; places are offsets in `memory`, in bytes. */
interface KernelExports extends Record<string, any> {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
}

/** The part of onnxruntime-web that Loupe uses. */
interface Runtime {
  env: { wasm: { wasmBinary?: Uint8Array; numThreads?: number } };
  InferenceSession: { create(graph: Uint8Array, options: object): Promise<InferenceSession> };
  Tensor: new (type: "uint8", data: Uint8Array, shape: number[]) => Tensor;
}

interface InferenceSession {
  run(inputs: Record<string, Tensor>): Promise<Record<string, Tensor>>;
}

interface Tensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}

/** Called with the work done so far and the total; `isStalled` while there is no connection. */
type Progress = (done: number, total: number, isStalled?: boolean) => void;

/** Calls of the worker: what each takes and returns. */
interface WorkerCalls {
  load(
    values: {
      address: string;
      graph: GraphName;
      kernels?: Binary;
      /** The contents of `model.json`, where the page has fetched it. */
      model?: unknown;
    },
    onProgress: Progress,
  ): Promise<ModelInfo>;
  /** Compares the kernels and returns those that it keeps; null if the model needs none. */
  chooseKernels(values: object): Promise<string | null>;
  identify(values: FrameValues): Promise<Prediction>;
  explain(
    values: Pick<FrameValues, "taught"> & { source: Blob; seconds: number },
    onProgress: Progress,
  ): Promise<OcclusionMap>;
  canPrepare(values: object): Promise<boolean>;
  prepare(values: { source: Blob; recipe: Recipe; limits: Limits }): Promise<Packed>;
  stopExplaining(values: object): Promise<void>;
  takePhoto(values: Pick<FrameValues, "source" | "region">): Promise<TakenPhoto>;
  features(values: { source: Blob }): Promise<Float32Array>;
  teach(project: ProjectToTeach): Promise<{ taught: TaughtModel; result: Taught }>;
  /** Your models have numbers, which the page gives them. */
  addTaught(values: { number: number; taught: TaughtModel }): Promise<ModelInfo>;
  dropTaught(values: { number: number }): Promise<void>;
  golden(values: { taught: TaughtModel }): Promise<LoupeGolden>;
}

/** A photo to teach: a small JPEG of the part that the model sees, and its features. */
type TakenPhoto = Pick<ProjectPhoto, "photo" | "features">;

/** Each of the labels has at least one photo; an empty title is replaced by the labels. */
interface ProjectToTeach extends Pick<Project, "title" | "labels"> {
  photos: PhotoToTeach[];
  /** Of the labels; by default undetermined. */
  language?: string;
}

/** A photo; photos of one recording are frames of it. */
interface PhotoToTeach {
  label: string;
  recording: string;
  features: Float32Array;
}

/** A photo's pixels, see `pack`. */
interface Packed {
  bytes: Uint8Array<ArrayBuffer>;
  packed: boolean;
}

interface FrameValues {
  /** The worker closes it, unless it is a Blob. */
  source: Blob | ImageBitmap | VideoFrame;
  top: number;
  /** The number of a taught model; null for the base's own labels. */
  taught: number | null;
  region?: Region;
  /** For a video: its number, and how many of its last outputs are averaged. */
  stream?: { number: number; average: number };
}

/** The JSON that the command line prints; see `docs/api.md`. */
interface Prediction {
  model: string;
  version: string;
  engine: string;
  /** Only in a device's prediction. */
  runs_in?: "device";
  graph?: GraphName;
  /** The top label, null for “none of these”; with several labels per photo, those it shows. */
  answer: string | string[] | null;
  candidates: { label: string; probability: number }[];
  known: boolean | null;
  novelty: number | null;
  plausible: string[] | null;
  /** Null in an answer from a link. */
  milliseconds: Times | null;
}

interface ExplainOptions {
  signal?: AbortSignal;
  /** Called with the number of inferences so far, and the most that there can be. */
  onProgress?: (done: number, most: number) => void;
}

/** The importance of each part of what the model sees for a label, row by row, from 0 to 1. */
interface OcclusionMap {
  label: string;
  rows: number;
  columns: number;
  heat: Float32Array;
}

/** A prediction as the viewfinder shows it; the server's has the same shape. */
interface Answer {
  /** As the command line prints it. */
  prediction: Prediction;
  headline: Phrase;
  lines: Phrase[];
  certainty: string;
  language: string;
  /** The candidates' probabilities in words. */
  percents: string[];
  /** Gives the part of the photo that the model saw; null if the version is gone. */
  recipe: Recipe | null;
  where: "device" | "server";
  is_packed?: ModelInfo["isPacked"];
  /** True if the server got pixels that a browser had made, not a photo's file. */
  from_pixels: boolean;
  /** What this browser sent; absent in answers from links, null if a reload has lost it. */
  sent?: Sent | null;
  /** Bytes of the photo's copy that was sent with a correction of this answer. */
  copy?: number | null;
  /** What the page says was saved as its correction, and what deletes that, the newest first. */
  saved?: { text: string; undos: { number: number; key: string }[] } | null;
  /** Null in an answer from a link. */
  milliseconds: number | null;
  /** The token of the answer's link; null for a model that is only in this browser. */
  token: string | null;
  /** The server's wait for a free core. */
  queue_ms?: number;
}

/** What was sent of a photo; of an upload that was aborted, all counts. */
interface Sent {
  kind: Sending;
  bytes: number;
  /** Bytes of the same kind that were sent before, for other models. */
  earlier?: number[];
}

/** A photo of this visit with its answer; the browser keeps the last ones. */
interface Entry {
  id: string;
  /** Null for an answer from a link. */
  photo: Blob | null;
  source: "file" | "camera" | "frame" | "paste" | "drop" | "sample" | "link";
  /** For screen readers. */
  alt: string;
  /** Null until the photo is answered. */
  answer: Answer | null;
  /** The photo's earlier answers, newest first. */
  earlier?: Answer[];
  /** True once the photo was added to the project that its model was trained on. */
  isLearned?: boolean;
  /** True once sending some of it for an answer began. */
  wasSent?: boolean;
  /** A sentence on where an answer without a photo comes from. */
  note?: string;
  /** That answer as a stranger reads it; absent from the visitor's own. */
  said?: SharedWords;
}

/** See `SharedWords` in `model/answer/share_link.py`. */
interface SharedWords extends Record<"by" | "percent" | "photo" | "proof", string> {
  answer: Phrase;
}

// Globals set by the page's first bundle (see `first/bundle.js`), then features of some browsers
// that TypeScript's library lacks.
declare var modelWorker: string | undefined;
declare var styleSheets: Record<string, string> | undefined;
interface Connection {
  readonly connection?: { readonly saveData: boolean };
}
interface Navigator extends Connection {}
interface WorkerNavigator extends Connection {}
interface Document {
  readonly permissionsPolicy?: { allowsFeature(feature: string): boolean };
  readonly featurePolicy?: { allowsFeature(feature: string): boolean };
}
