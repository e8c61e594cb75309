// What Kilnworks takes and gives back, as far as this pipeline reads it. `kiln schema output` and
// `kiln schema failure` have all of it.

/** The result of a build. */
export interface BuildOutput {
  version?: string;
  images: Image[];
}

/** One image in its registry. */
export interface Image {
  component: string;
  container: string;
  /** `name@sha256:…`, as it is pulled. */
  reference: string;
}

/** The details of a build's failure. */
export interface FailureDetails {
  failures: Failure[];
  /** Those that were finished in spite of it. */
  images: Image[];
}

/** What became of one container. */
export interface Failure {
  type: string;
  message: string;
  component?: string;
  container?: string;
  instruction?: string;
  /** Counted from 1 in the rendered Dockerfile. */
  line?: number;
}

/** The input of `BuildApp`, as far as this pipeline changes it. */
export interface AppSpec {
  app: string;
  defaults?: { resources?: { memory?: string } };
}

/** The failure types that this pipeline treats each in its own way. */
export const BUILD_FAILED = 'BuildFailed';
export const OUT_OF_MEMORY = 'OutOfMemory';
