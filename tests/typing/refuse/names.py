"""A misspelt name is refused, though names are loaded only when they are asked for."""

import llmgine_core
from llmgine_core import Comand as Comand  # E: misspelt

assert llmgine_core.MesageBus  # E: misspelt
