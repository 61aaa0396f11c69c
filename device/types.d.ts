/** Types for the checker alone; no browser loads this file. */

export type GraphName = "small" | "full";

/** Where photos are answered: `auto` is on the device once it can. */
export type Run = "auto" | "device" | "server";

/** A part of a picture, in its pixels. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How much each part of what the model sees matters, row by row, from 0 to 1. */
export interface OcclusionMap {
  rows: number;
  columns: number;
  heat: Float32Array;
}

// What some browsers have and TypeScript's library leaves out.
declare global {
  interface Navigator {
    readonly connection?: { readonly saveData: boolean };
  }
  interface WorkerNavigator {
    readonly connection?: { readonly saveData: boolean };
  }
  interface Document {
    readonly permissionsPolicy?: { allowsFeature(feature: string): boolean };
    readonly featurePolicy?: { allowsFeature(feature: string): boolean };
  }
}
