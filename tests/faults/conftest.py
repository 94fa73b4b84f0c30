"""What the tests of faults share with those of the command line."""

from tests.integration.conftest import folder_data, folder_study, study_copy

__all__ = ["folder_data", "folder_study", "study_copy"]
