"""The example of docs/interchange.md: loads a checkpoint. Argument: the file. Prints what is in it."""
import json
import sys

from safetensors import safe_open

with safe_open(sys.argv[1], framework="numpy") as file:
    about = json.loads(file.metadata()["eventprop"])
    tensors = {name: file.get_tensor(name) for name in file.keys()}
print(about["format"], about["version"], about["units"])
for name, kind in sorted(about["delays"].items()):
    print(name, kind["per"], kind["smooth"], kind["max"])
for name, values in sorted(tensors.items()):
    if name != "checksum":
        print(name, list(values.shape), float(values.sum()))
