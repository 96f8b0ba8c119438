#!/bin/sh
# slim.sh ENVIRONMENT: take out what no running process reads: tests of libraries, headers, debugging symbols.
set -eu
environment=$1
find "$environment" -depth -type d \( -name tests -o -name __pycache__ \) -path '*/site-packages/*' -exec rm -rf {} +
find "$environment" -type f \( -name '*.pyi' -o -name '*.h' -o -name '*.a' \) -path '*/site-packages/*' ! -path '*/touchline/*' -delete
# Only large modules of Rust and C++ whose loading was tried afterwards; libraries that a wheel patched stay as they are.
find "$environment" -type f \( -name '_polars_runtime*.so' -o -path '*/dataframely/_native*.so' -o -name '_obstore*.so' \
    -o -name libxgboost.so \) -exec strip --strip-unneeded {} +
