"""Heavy tasks that do nothing, so that only what surrounds them is measured."""

from core import HEAVY, Context, JobBase, Results, fan_in, fan_out


class Tiny(JobBase):
    """Number n heavy tasks and count them."""

    n: int
    label: str

    def numbers(self) -> list[int]:
        return list(range(self.n))

    @fan_out(each=numbers, queue=HEAVY)
    def pass_by(self, ctx: Context, i: int) -> int:
        return i

    @fan_in(pass_by)
    def count(self, ctx: Context, values: Results[int]) -> int:
        return len(values)
