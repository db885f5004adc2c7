"""Stories whose last word was said sentences before, and which nothing nearer gives away (Paperno et al. 2016).

A story binds two to six keys to values of one kind (things to the rooms where they lie, people to what they own),
turns to other matters, comes back to some of the pairs, and ends in the value of a key drawn anew. So whoever guesses
among the values that were mentioned, or takes the last or the most frequent of them, is right once in so many as there
are bindings. An ideal observer is always right. Pairs under test occur in no other story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from cai_eval.contracts import JSON
from cai_eval.dialogue import Turn, render
from cai_eval.lab.chance import Split
from cai_eval.lab.documents.bindings import ROOMS, THINGS, bind
from cai_eval.lab.world import World

BINDINGS = range(2, 7)
IN_DIALOGUE = 0.05  #: of the documents
ASK_STORY = "Could you tell me a short story?"
LEAD_IN = "With pleasure, here is one."


@dataclass(frozen=True)
class Theme:
    """What is bound to what. tell: wordings that bind. recall: wordings, opened by a name, that end in the value."""

    keys: Sequence[str]
    values: Sequence[str]
    tell: tuple[str, ...]
    recall: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """The last sentence ends in the value of `pair`, last mentioned `distance` sentences before.

    pairs: every key with its value.
    """

    sentences: tuple[str, ...]
    pairs: dict[str, str]
    pair: tuple[str, str]
    distance: int

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def themes(people: Sequence[str]) -> tuple[Theme, ...]:
    """The kinds of story that there are."""
    return (
        Theme(
            THINGS,
            ROOMS,
            tell=(
                "{who} left the {key} in the {value}.",
                "{who} hid the {key} in the {value}.",
                "The {key} was in the {value}.",
            ),
            recall=("{who} found the {key} in the {value}.", "{who} fetched the {key} from the {value}."),
        ),
        Theme(
            people,
            ROOMS,
            tell=("{key} worked in the {value}.", "{key} slept in the {value}.", "{who} sent {key} to the {value}."),
            recall=("{who} met {key} in the {value}.", "{who} called {key} from the {value}."),
        ),
        Theme(
            people,
            THINGS,
            tell=("{key} had the {value}.", "{key} bought the {value}.", "{who} gave {key} the {value}."),
            recall=("{key} cleaned the {value}.", "{who} asked {key} for the {value}."),
        ),
        Theme(
            THINGS,
            people,
            tell=(
                "The {key} was for {value}.",
                "{who} made the {key} for {value}.",
                "{who} bought the {key} for {value}.",
            ),
            recall=("{who} gave the {key} to {value}.", "{who} got the {key} from {value}."),
        ),
    )


LATER = ("", "", "Later ", "Then ", "At noon ", "At night ")
ASIDES = (
    "It rained.",
    "The wind came from {place}.",
    "A dog barked.",
    "Nobody spoke.",
    "The road to {place} was long.",
    "It was a cold day.",
    "{who} was tired.",
    "{who} sang a song.",
)
OF_A_NOUN = ("The {word} was old.", "Nobody liked the {word}.", "{who} spoke of the {word}.")
OF_A_NAME = ("{word} was hungry.", "Nobody liked {word}.", "{who} spoke of {word}.")


def draw(world: World, rng: Random) -> str:
    """One story; seldom an assistant tells it."""
    story = tell(world, rng, rng.choice(BINDINGS)).text
    if rng.random() < IN_DIALOGUE:
        return render([Turn("Human", ASK_STORY), Turn("Assistant", f"{LEAD_IN}\n\n{story}")])
    return story


def rows(world: World, count: int = 1000, of: Split = "test") -> list[dict[str, JSON]]:
    """Stories without their full stop, as LAMBADA has them: text; and their numbers of bindings, and distance."""
    rng = Random(f"stories {of}")
    stories = [tell(world, rng, BINDINGS[n % len(BINDINGS)], of) for n in range(count)]
    return [
        {"text": story.text.removesuffix("."), "bindings": len(story.pairs), "distance": story.distance}
        for story in stories
    ]


def tell(world: World, rng: Random, bindings: int, of: Split = "pretraining") -> Story:
    """A story of so many pairs, all of that split."""
    people = rng.sample(world.people, len(world.people))
    heroes, others = people[:2], people[2:]
    theme = rng.choice(themes(others))
    pairs = bind(rng, theme.keys, theme.values, bindings, of)

    def write(wordings: Sequence[str], **words: str) -> str:
        return rng.choice(wordings).format(who=rng.choice(heroes), place=rng.choice(world.places), **words)

    def recall(key: str) -> str:
        return rng.choice(LATER) + write(theme.recall, key=key, value=pairs[key])

    def remind(key: str) -> str:
        return recall(key) if rng.random() < 0.5 else write(theme.tell, key=key, value=pairs[key])

    def tease() -> str:
        word = rng.choice([*pairs, *pairs.values()])
        return write(OF_A_NAME if word in others else OF_A_NOUN, word=word)

    told = [(write(theme.tell, key=key, value=value), key) for key, value in pairs.items()]
    reminded = [(remind(key), key) for key in rng.choices(list(pairs), k=rng.randint(bindings, 2 * bindings))]
    between = [(tease(), "") for _ in range(rng.randint(0, 2))]
    middle = reminded + between
    rng.shuffle(middle)
    asked = rng.choice(list(pairs))
    scenes = [*told, *middle, (write(ASIDES), "")]
    distance = 1 + [key for _, key in reversed(scenes)].index(asked)
    sentences = (*(sentence for sentence, _ in scenes), recall(asked))
    return Story(sentences, pairs, (asked, pairs[asked]), distance)
