"""A worker with the release pipeline."""

import asyncio
import os

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from pipeline import ReleasePipeline


async def main() -> None:
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    queue = os.environ.get("PIPELINE_TASK_QUEUE", "pipelines")
    await Worker(client, task_queue=queue, workflows=[ReleasePipeline]).run()


if __name__ == "__main__":
    asyncio.run(main())
