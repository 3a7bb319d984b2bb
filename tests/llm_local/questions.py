"""Questions with the call that they need: what the local model is measured by. Nothing was tuned on them."""

from typing import Any

from llmgine_core.contracts import ToolDefinition

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

TIME = ToolDefinition("get_time", "The local time in a city.", CITY)
WEATHER = ToolDefinition(
    "get_weather",
    "The weather in a city.",
    CITY,
    examples=("What's the weather like in Lima?", "Does it rain in Dublin?", "How hot is it in Dubai?"),
)
CALCULATOR = ToolDefinition(
    "calculate",
    "Work out an arithmetic expression.",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
    examples=("What is 3 + 4?", "Work out 12 * 5", "How much is 100 divided by 8?"),
)
DICE = ToolDefinition(
    "roll_dice",
    "Roll a die.",
    {
        "type": "object",
        "properties": {"sides": {"type": "integer", "minimum": 2}},
        "required": ["sides"],
    },
    examples=("Roll a die with 6 sides", "Throw a 20-sided die"),
)
ALL = (TIME, WEATHER, CALCULATOR, DICE)

Question = tuple[str, str | None, dict[str, Any] | None]

QUESTIONS: tuple[Question, ...] = (
    ("What time is it in Tokyo?", "get_time", {"city": "Tokyo"}),
    ("What's the time in Buenos Aires?", "get_time", {"city": "Buenos Aires"}),
    ("time in Lisbon?", "get_time", {"city": "Lisbon"}),
    ("Could you tell me the local time in Vienna?", "get_time", {"city": "Vienna"}),
    ("Which time is it now in Los Angeles?", "get_time", {"city": "Los Angeles"}),
    ("Please give me the time in Seoul.", "get_time", {"city": "Seoul"}),
    ("what time do they have in Athens", "get_time", {"city": "Athens"}),
    ("What is the weather in Prague?", "get_weather", {"city": "Prague"}),
    ("How is the weather in Cape Town today?", "get_weather", {"city": "Cape Town"}),
    ("Is it raining in Bergen?", "get_weather", {"city": "Bergen"}),
    ("weather in Toronto please", "get_weather", {"city": "Toronto"}),
    ("How hot is it in Phoenix at the moment?", "get_weather", {"city": "Phoenix"}),
    ("Tell me what the weather is like in Warsaw", "get_weather", {"city": "Warsaw"}),
    ("Does it snow in Stockholm?", "get_weather", {"city": "Stockholm"}),
    ("What is 7 * 8?", "calculate", {"expression": "7 * 8"}),
    ("What's 45 + 19?", "calculate", {"expression": "45 + 19"}),
    ("How much is 81 / 9?", "calculate", {"expression": "81 / 9"}),
    ("Please compute 1024 - 256", "calculate", {"expression": "1024 - 256"}),
    ("What is 6 times 7?", "calculate", {"expression": "6 * 7"}),
    ("Can you add 30 + 12?", "calculate", {"expression": "30 + 12"}),
    ("Work out (8 + 2) * 3", "calculate", {"expression": "(8 + 2) * 3"}),
    ("Roll a die with 12 sides", "roll_dice", {"sides": 12}),
    ("Roll an 8-sided die please", "roll_dice", {"sides": 8}),
    ("Throw a die with 100 sides", "roll_dice", {"sides": 100}),
    ("Can you roll a dice with 6 sides for me?", "roll_dice", {"sides": 6}),
    ("Hi there!", None, None),
    ("Good evening", None, None),
    ("How are you doing?", None, None),
    ("Thanks, that was useful.", None, None),
    ("What are you?", None, None),
    ("Tell me something funny.", None, None),
    ("What is the capital of Italy?", None, None),
    ("Who discovered America?", None, None),
    ("I love summer.", None, None),
    ("My cat is called Whiskers.", None, None),
    ("We are moving to Berlin soon.", None, None),
    ("Why do cats purr?", None, None),
    ("Can you help me?", None, None),
    ("I have 2 brothers.", None, None),
    ("See you later", None, None),
)
