"""What Kilnworks gives back, as far as this pipeline reads it.

`kiln schema output` and `kiln schema failure` have all of it. Fields that are not named here are
passed over.
"""

from dataclasses import dataclass, field

BUILD_FAILED = "BuildFailed"
OUT_OF_MEMORY = "OutOfMemory"


@dataclass
class Image:
    """One image in its registry."""

    component: str
    container: str
    reference: str  # name@sha256:…, as it is pulled


@dataclass
class BuildOutput:
    """The result of a build."""

    images: list[Image]
    version: str | None = None


@dataclass
class Failure:
    """What became of one container."""

    type: str
    message: str
    component: str = ""
    container: str = ""
    instruction: str | None = None
    line: int | None = None  # counted from 1 in the rendered Dockerfile


@dataclass
class FailureDetails:
    """The details of a build's failure."""

    failures: list[Failure]
    images: list[Image] = field(default_factory=list)  # finished in spite of it
