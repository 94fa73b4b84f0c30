"""Ids outlive versions: the same configuration has the same id before and after a field was added."""

from __future__ import annotations

from deeplab import TUTORIAL, Architecture
from recipe import Recipe
from search.oracle.identity import architecture_id, config_id

OTHER = Architecture(encoder="MobileNetV2", output_stride=8, aspp_rates=(2, 5), decoder_depth=1)
OTHER_RECIPE = Recipe(optimizer="sgd", learning_rate=0.01)


class LaterArchitecture(Architecture):
    """Of a later version, which offers one more choice."""

    head_dropout: float = 0.0


class LaterRecipe(Recipe):
    """Of a later version, which offers one more choice."""

    mixup: bool = False


def test_ids_are_those_of_version_0_1() -> None:
    assert (config_id(TUTORIAL, Recipe()), architecture_id(TUTORIAL)) == ("a60a6c34", "70d5c601f160")
    assert (config_id(OTHER, OTHER_RECIPE), architecture_id(OTHER)) == ("bbccaa61", "0fdb72228aac")


def test_a_field_that_was_added_changes_no_id_until_it_departs_from_its_default() -> None:
    architecture = LaterArchitecture(**OTHER.model_dump())
    recipe = LaterRecipe(**OTHER_RECIPE.model_dump())
    assert config_id(architecture, recipe) == config_id(OTHER, OTHER_RECIPE)
    assert architecture_id(architecture) == architecture_id(OTHER)

    departed = LaterArchitecture(**OTHER.model_dump(), head_dropout=0.1)
    assert architecture_id(departed) != architecture_id(OTHER)
    ids = {
        config_id(departed, recipe),
        config_id(architecture, LaterRecipe(**OTHER_RECIPE.model_dump(), mixup=True)),
        config_id(OTHER, OTHER_RECIPE),
    }
    assert len(ids) == 3
