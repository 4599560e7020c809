"""The subcommands of `padiff`, a module each: `add_to` adds its parser, which says what to `run`."""
