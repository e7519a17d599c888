"""Sorts the products of a day by what they earn: A make up the first 80 % of the revenue, B the next 15 %, C the rest."""

import csv

import luigi

BOUNDS = (("A", 0.80), ("B", 0.95), ("C", 1.0))


class Summary(luigi.ExternalTask):
    """What the workflow daily-summary writes; Luigi only looks whether it is there."""

    day = luigi.DateParameter()

    def output(self):
        return luigi.LocalTarget(f"out/summaries/{self.day}.csv")


class ProductClasses(luigi.Task):
    """Writes out/classes/DAY.csv, as a whole or not at all."""

    day = luigi.DateParameter()

    def requires(self):
        return Summary(self.day)

    def output(self):
        return luigi.LocalTarget(f"out/classes/{self.day}.csv")

    def complete(self):
        """The file is there, and it is of the summary as it is now: a summary made anew has its products sorted anew."""
        if not self.output().exists():
            return False
        return not self.input().exists() or revenues(self.output()) == revenues(self.input())

    def run(self):
        products = sorted(revenues(self.input()).items(), key=lambda product: (-product[1], product[0]))
        total = sum(revenue for _, revenue in products)
        before = 0
        with self.output().open("w") as file:
            file.write("product,revenue,share,class\n")
            for product, revenue in products:
                letter = next(letter for letter, bound in BOUNDS if before < bound * total or bound == 1.0)
                file.write(f"{product},{revenue / 100:.2f},{revenue / total:.3f},{letter}\n")
                before += revenue


def revenues(target):
    """The revenue of each product, in cents."""
    with target.open() as file:
        return {row["product"]: round(float(row["revenue"]) * 100) for row in csv.DictReader(file)}
