"""The spec that `padiff init` writes: valid as it stands, with what to fill in marked."""

from __future__ import annotations

from pathlib import Path

# By which editors complete and check keys; it comes with the package.
SCHEMA = Path(__file__).resolve().parent / "schemas" / "spec.schema.json"
# Prose begins with "# ", a setting to be taken in with "#" and its key.
TEMPLATE = """\
# yaml-language-server: $schema={schema}
# A comparison of two models, for padiff. Fill in the lines marked with "<-", then:
#
#   padiff doctor {name}     checks Pythons, packages, addresses
#   padiff compare {name}    0: they agree, 1: they differ, 2: trouble
#
# A line that begins with "#" and a key is a setting, at its default or an example: take the "#" away.
# Every key is described in docs/spec.md. Relative paths start at this file's folder.

reference:                                  # the side that is taken as right
  framework: torch                          # torch or paddle
  model: my_models.torch_net:build          # <- package.module:function that returns the model
  #kwargs: {{classes: 10}}                    # arguments of that function
  #python: .venv/torch/bin/python           # <- its Python; default: $PADIFF_TORCH_PYTHON, else this one
  #path: [.]                                # folders with its code
  #weights: checkpoint.pt                   # a state file, loaded after the model is built
  #device: cpu                              # as its framework names it: cuda:0
  #train: false                             # true: train mode
  #loss: my_models.torch_net:loss           # of the output; default: a fixed projection of all outputs
  #optimizer: my_models.torch_net:optimizer # of the model; without one, gradients are the end

candidate:                                  # the side that is judged
  framework: paddle
  model: my_models.paddle_net:build         # <-
  #kwargs: {{classes: 10}}
  #python: .venv/paddle/bin/python          # <- default: $PADIFF_PADDLE_PYTHON, else this one
  #path: [.]
  #weights: checkpoint.pdparams
  #device: cpu                              # gpu:0
  #train: false
  #loss: my_models.paddle_net:loss
  #optimizer: my_models.paddle_net:optimizer

inputs:
  table:                                    # <- made-up arrays: shape, dtype, and a range to draw from
    image: {{shape: [2, 3, 224, 224], dtype: float32, seed: 0, range: [0, 1]}}
  reference: {{x: image}}                     # <- argument of forward: array; a list is passed by position
  candidate: {{x: image}}                     # <-
  # In place of the table: real ones, from a file of arrays or a function that returns them.
  #file: batch.npz
  #function: my_models.batches:batches

#auto_weights: true                         # copy the reference's weights into the candidate first
#steps: 1                                   # more than one needs optimizers

#options:
#  atol: 1e-4                               # default: by dtype and phase
#  rtol: 1e-5
#  diff_phase: forward                      # no gradients
#  single_step: true                        # on the reference's inputs alone, one step
#  local_error: false                       # on the candidate's own values alone; default: both
#  threads: 0                               # compute threads of each side; 0: as they are

#layer_map:                                 # where the two cannot be paired without help
#  pairs: {{encoder.fc: encoder.linear}}      # reference: candidate
#  ignore: {{reference: [dropout]}}

# A coordinator that runs already (docs/deploy.md); each model then names a worker, by address or by its name
# there, in place of python and path.
#server: {{address: coordinator:50050, token_file: token, tls: {{ca: ca.pem}}}}
"""


def template(name: str) -> str:
    """Returns the spec's text, which speaks of itself as the file `name`."""
    return TEMPLATE.format(name=name, schema=SCHEMA.as_uri())
