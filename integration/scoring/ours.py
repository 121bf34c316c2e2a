"""`python -m integration.scoring.ours FOLDER PORT`: our server over each model of a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from fitscribe.models import pyfunc
from fitscribe.scoring.app import application

if __name__ == "__main__":
    served = [
        Mount(f"/{each.name}", app=application(pyfunc.load(each, trust=True), "1"))
        for each in Path(sys.argv[1]).iterdir()
    ]
    uvicorn.run(Starlette(routes=served), port=int(sys.argv[2]), log_level="warning")
