"""Print what the backend is and what it computes on, for `reskeras doctor`."""

import json

import keras

from reskeras.backend import devices, version

print(json.dumps({"keras": keras.__version__, "version": version(), "devices": devices()}))
