"""Arguments of the public functions, checked and brought into the form in which they are used."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any, Optional, Union

from padiff_client.habits import instead_of_model, instead_of_option, instead_of_switches
from padiff_client.launches import CallerProcess
from padiff_client.link import Batches
from padiff_client.progress import Onlooker
from padiff_client.session import Server
from padiff_client.spec import ModelSpec, check_reference
from padiff_rpc import child
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_allowed, shown
from padiff_rpc.paths import checked_path
from padiff_rpc.v1.records import Options, Tls

logger = logging.getLogger("padiff_client")


def batches_of(
    layer: ModelSpec, module: ModelSpec, example_inp: Any, names: Optional[tuple[str, str]] = None
) -> Optional[Batches]:
    """Returns the batches that the client sends; None where both workers have a loader, or other batches.

    Scripts that are watched bring their own, and so does a recording.

    Raises InvalidRequestError for inputs and loaders both, and for a loader on one side.
    """
    is_shown = any(spec.recording is not None for spec in (layer, module))
    having = [field for field, spec in (("layer", layer), ("module", module)) if spec.loader]
    if not having:
        if example_inp is None and (is_shown or any(_serves_its_own(spec) for spec in (layer, module))):
            return None
        if example_inp is None:
            raise InvalidRequestError(
                "missing; give a pair (candidate's input, reference's input), or a loader in both ModelSpecs",
                field="example_inp",
            )
        return Batches(example_inp, names)
    if is_shown:
        raise InvalidRequestError(
            "the recording has the batches; leave the loader out", field=f"{having[0]}.loader"
        )
    if len(having) == 1:
        lacking = "module" if having == ["layer"] else "layer"
        raise InvalidRequestError(
            "missing; give a loader to both models, or to neither", field=f"{lacking}.loader"
        )
    if example_inp is not None:
        raise InvalidRequestError(
            "both models have a loader that gives the batches; leave one of them out", field="example_inp"
        )
    return None


def _serves_its_own(spec: ModelSpec) -> bool:
    """Whether a worker that runs already has a model, or a recording of one."""
    return spec.worker is not None and not spec.model


def as_server(
    address: Optional[str], token: Optional[str], tls: Optional[Tls], insecure: bool = False
) -> Optional[Server]:
    """Returns the server that is meant, None for the embedded one. Raises InvalidRequestError."""
    if address is None:
        if token is not None or tls is not None or insecure:
            raise InvalidRequestError(
                "token=, tls= and insecure= are credentials for server=, which is missing; a worker's "
                "belong into its ModelSpec",
                field="token",
            )
        return None
    for field, value, what in (
        ("server", address, "an address, unix:/path or host:port"),
        ("token", token or "", "a text"),
    ):
        if not isinstance(value, str):
            raise not_allowed(value, f"{what}", field=field)
    if tls is not None and not isinstance(tls, Tls):
        raise InvalidRequestError(
            "not allowed; allowed: Tls(ca=..., certificate=..., key=...) or Tls.from_files", field="tls"
        )
    if not isinstance(insecure, bool):
        raise not_allowed(insecure, "True, False", field="insecure")
    return Server(address=address, token=token or "", tls=tls, insecure=insecure)


def caller_process(onlooker: Optional[Onlooker] = None) -> CallerProcess:
    """Returns what this process is like; `onlooker` hears how the run goes.

    Warns of the older tool's switches that are set.
    """
    for line in instead_of_switches(os.environ):
        logger.warning("%s", line)
    return CallerProcess(environment=dict(os.environ), onlooker=onlooker)


def chosen_options(options: Union[Options, Mapping[str, Any], None], steps: Any) -> tuple[Options, int]:
    """Returns the options and the number of steps that are meant. Raises InvalidRequestError."""
    if isinstance(options, Mapping):
        named = dict(options)
        given = named.pop("steps", steps)
        if steps not in (1, given):
            raise InvalidRequestError(
                f"{shown(given)} contradicts steps={shown(steps)}; give one of them", field="options.steps"
            )
        for name in named:
            if instead_of_option(str(name)):
                raise InvalidRequestError(instead_of_option(str(name)), field=f"options.{name}")
        options, steps = Options.from_mapping(named), given
    elif options is None:
        options = Options()
    elif not isinstance(options, Options):
        raise InvalidRequestError(
            f"a {type(options).__name__} is not allowed; allowed: Options(...) or a dict", field="options"
        )
    if isinstance(steps, bool) or not isinstance(steps, Integral) or not 1 <= int(steps) < 2**32:
        raise not_allowed(steps, "a whole number of at least 1", field="steps")
    return options, int(steps)


def checked_save(path: Any) -> str:
    """Returns the path of a file to save to. Raises InvalidRequestError for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise not_allowed(path, "a file's path", field="save")
    return checked_path(os.fspath(path), field="save")


def references(pair: Any, field: str) -> tuple[str, str]:
    """Returns a pair (candidate's, reference's) of references, "" for none. Raises InvalidRequestError."""
    if pair is None:
        return "", ""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InvalidRequestError(
            f"{shown(pair)} is not allowed; allowed: a pair (candidate's, reference's) of "
            '"package.module:name"',
            field=field,
        )
    candidate, reference = (
        "" if text is None else check_reference(text, field=f"{field}[{i}]") for i, text in enumerate(pair)
    )
    return candidate, reference


def specs(layer: Any, module: Any) -> tuple[ModelSpec, ModelSpec]:
    """Returns (candidate, reference). Raises InvalidRequestError for what are no specs, and in a worker."""
    child.check_not_inside_worker("starts a comparison")
    for field, spec in (("layer", layer), ("module", module)):
        if not isinstance(spec, ModelSpec):
            raise InvalidRequestError(instead_of_model(spec, field=field))
    return layer, module
