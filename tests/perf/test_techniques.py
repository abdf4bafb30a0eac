"""What each technique of a fast training gives: alone over the plain loop, and in the recipe."""

from hpml_lab.labs.techniques.bench import *
