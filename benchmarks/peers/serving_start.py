"""touchline under measurement, with the protocol of `touchline serve`: python serving_start.py PORT WORKERS."""

import sys

import uvicorn

from touchline.serving.http.predict_protocol import PredictProtocol

if __name__ == "__main__":
    uvicorn.run(
        "serving_app:make",
        factory=True,
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        http=PredictProtocol,
        access_log=False,
        log_level="warning",
    )
