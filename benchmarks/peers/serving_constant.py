"""A FastAPI app that checks the same body and answers a constant: as fast as FastAPI gets."""

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import create_model

Row = create_model("Row", **{f"x{index}": (float, ...) for index in range(30)})  # type: ignore[call-overload]
app = FastAPI()


@app.post("/predict")
async def predict(row: Row) -> JSONResponse:  # type: ignore[valid-type]  # noqa: ARG001
    return JSONResponse({"probabilities": {"no": 0.5, "yes": 0.5}})
