# pyright: strict
"""Jobs that are wired wrongly, one mistake each: a type checker finds it, and so does Python at import.

The comment after a mistake is what the error at import says.
"""

from pydantic import BaseModel

from core import Context, Decision, JobBase, Results, fan_in, fan_out, gate, single


class Photo(BaseModel):
    """Something that is made."""

    name: str


class TakesAnotherType(JobBase):
    """The second stage is handed an int."""

    @single
    def first(self, ctx: Context) -> int:
        return 1

    @single(first)  # wrong: text must be int, not str
    def second(self, ctx: Context, text: str) -> int:
        return len(text)


class TakesTooMuch(JobBase):
    """The second stage is handed one value."""

    @single
    def first(self, ctx: Context) -> int:
        return 1

    @single(first)  # wrong: must annotate 1 input(s) after ctx
    def second(self, ctx: Context, one: int, other: int) -> int:
        return one + other


class TakesTooLittle(JobBase):
    """The second stage is handed a value."""

    @single
    def first(self, ctx: Context) -> int:
        return 1

    @single(first)  # wrong: must annotate 1 input(s) after ctx
    def second(self, ctx: Context) -> int:
        return 2


class ForgetsTheContext(JobBase):
    """A handler's first parameter is the context."""

    @single  # wrong: must take ctx: Context first
    def first(self) -> int:
        return 1


class MixesUpItsSources(JobBase):
    """The values come in the order in which the stages are named."""

    @single
    def number(self, ctx: Context) -> int:
        return 1

    @single
    def photo(self, ctx: Context) -> Photo:
        return Photo(name="a")

    @single(number, photo)  # wrong: photo must be int, not Photo
    def both(self, ctx: Context, photo: Photo, number: int) -> str:
        return photo.name * number


class FansOutOverOneThing(JobBase):
    """A Photo is no list."""

    @single
    def photo(self, ctx: Context) -> Photo:
        return Photo(name="a")

    @fan_out(photo)  # wrong: has no list to fan out over
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name


class FansOutOverTheList(JobBase):
    """Each task is handed one element, not all of them."""

    @single
    def photos(self, ctx: Context) -> list[Photo]:
        return []

    @fan_out(photos)  # wrong: photos must be Photo, not list[
    def develop(self, ctx: Context, photos: list[Photo]) -> str:
        return ""


class FansInOneElement(JobBase):
    """A fan-in is handed all of the results."""

    @single
    def photos(self, ctx: Context) -> list[Photo]:
        return []

    @fan_out(photos)
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name

    @fan_in(develop)  # wrong: name must be list[str], not str
    def album(self, ctx: Context, name: str) -> int:
        return 1


class FansInOtherResults(JobBase):
    """The results are those of the fan-out, not what it was made of."""

    @single
    def photos(self, ctx: Context) -> list[Photo]:
        return []

    @fan_out(photos)
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name

    @fan_in(develop)  # wrong: names must be list[str], not core.results.Results
    def album(self, ctx: Context, names: Results[Photo]) -> int:
        return len(names)


class ReadsResultsWithoutAFanIn(JobBase):
    """Only a fan-in reads lazily."""

    @single
    def photos(self, ctx: Context) -> list[Photo]:
        return []

    @fan_out(photos)
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name

    @single(develop)  # wrong: names must be list[str], not core.results.Results
    def album(self, ctx: Context, names: Results[str]) -> int:
        return len(names)


class MakesOtherElements(JobBase):
    """`each` makes strings, and the tasks want photos."""

    def names(self) -> list[str]:
        return []

    @fan_out(each=names)  # wrong: photo must be str, not Photo
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name


class MakesNoList(JobBase):
    """`each` gives the list itself, whole."""

    def names(self) -> str:
        return ""

    @fan_out(each=names)  # wrong: has no list to fan out over
    def develop(self, ctx: Context, name: str) -> str:
        return name


class MakesElementsOfSomethingElse(JobBase):
    """`each` is handed the values of the stages that are named."""

    @single
    def photo(self, ctx: Context) -> Photo:
        return Photo(name="a")

    def letters(self, text: str) -> list[str]:
        return list(text)

    @fan_out(photo, each=letters)  # wrong: letters: text must be Photo
    def print_one(self, ctx: Context, letter: str) -> str:
        return letter


class FansOutOverNothing(JobBase):
    """A fan-out needs an earlier stage, or `each`."""

    @fan_out()  # wrong: has no list to fan out over
    def develop(self, ctx: Context, name: str) -> str:
        return name


class FansInNothing(JobBase):
    """A fan-in gathers an earlier fan-out."""

    @fan_in()  # wrong: names the fan-out it gathers
    def album(self, ctx: Context, names: list[str]) -> int:
        return 1


class AsksNoQuestion(JobBase):
    """A gate returns the question it asks."""

    @gate  # wrong: a gate returns the question it asks, a str
    def review(self, ctx: Context) -> int:
        return 1


class ReadsAGateAsItsQuestion(JobBase):
    """What a gate hands on is the decision."""

    @gate
    def review(self, ctx: Context) -> str:
        return "Is it good?"

    @single(review)  # wrong: answer must be Decision, not str
    def publish(self, ctx: Context, answer: str) -> str:
        return answer


class ReadsTooManyStages(JobBase):
    """Three are the most that a stage can read."""

    @single
    def a(self, ctx: Context) -> int:
        return 1

    @single(a, a, a, a)  # wrong: reads at most 3 earlier stages
    def sum_up(self, ctx: Context, b: int, c: int, d: int, e: int) -> int:
        return b + c + d + e


class NamesAStageByItsName(JobBase):
    """Stages are named as objects, so that a typo cannot hide in a string."""

    @single
    def first(self, ctx: Context) -> int:
        return 1

    @single("first")  # wrong: named as objects
    def second(self, ctx: Context, one: int) -> int:
        return one


class NamesAQueueThatIsNotThere(JobBase):
    """There are three queues."""

    @single(queue="tasks-huge")  # wrong: no queue is called 'tasks-huge'
    def first(self, ctx: Context) -> int:
        return 1


class RightlyWired(JobBase):
    """No mistake at all: every shape, and everything it can read."""

    names: list[str] = []

    @single
    def photos(self, ctx: Context) -> list[Photo]:
        return [Photo(name=name) for name in self.names]

    @fan_out(photos)
    def develop(self, ctx: Context, photo: Photo) -> str:
        return photo.name

    @fan_out(develop, photos)
    def frame(self, ctx: Context, name: str, photos: list[Photo]) -> int:
        return len(name) + len(photos)

    @fan_in(develop, photos)
    def album(self, ctx: Context, names: list[str], photos: list[Photo]) -> Photo:
        return Photo(name="".join(names))

    @fan_in(frame)
    def wall(self, ctx: Context, frames: Results[int]) -> int:
        return sum(frames)

    def letters(self, album: Photo) -> list[str]:
        return list(album.name)

    @fan_out(album, each=letters)
    def engrave(self, ctx: Context, letter: str) -> bytes:
        return letter.encode()

    @gate(album, wall)
    def review(self, ctx: Context, album: Photo, frames: int) -> str:
        return f"Is {album.name} good?"

    @single(review, album, engrave)
    def publish(
        self, ctx: Context, decision: Decision, album: Photo, engraved: list[bytes]
    ) -> bool:
        return decision.approved and album.name == b"".join(engraved).decode()
