//! Ten thousand specs through `split`. A valid spec has a plan. For an invalid spec `split` names every
//! fault. Any other input leads to one of the two.
//!
//! The cases are the same in every run. `PROPTEST_RNG_SEED=<number>` tries other cases,
//! `PROPTEST_CASES=<number>` tries more. A failure prints the smallest case that fails, and the seed.

use kilnworks_activities::{error::failure_of, steps::split::split};
use kilnworks_tests::specs::{
    faults::{plant, without_source},
    mutations::{bite, mutate},
    valid::recipes,
};
use kilnworks_workflows::{
    document::{Kind, parse},
    failure::FailureType,
    plan::{self, ContainerPlan},
    steps::{Split, SplitInput},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use serde_json::Value;

/// Tries a property on a number of cases.
fn holds<S: Strategy>(cases: u32, of: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let given = ProptestConfig::default();
    let seed = match given.rng_seed {
        RngSeed::Random => 4,
        RngSeed::Fixed(seed) => seed,
    };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases };
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..given
    };
    if let Err(error) = TestRunner::new(config).run(&of, property) {
        panic!("{error}\nseed {seed}");
    }
}

/// Reads a document as the step does. A refusal must be of the type `InvalidSpec`.
fn read(kind: Kind, document: Value) -> Result<Result<Split, String>, TestCaseError> {
    match split(SplitInput { kind, document }, Default::default()) {
        Ok(split) => Ok(Ok(split)),
        Err(error) => {
            let failure = failure_of(&error).map(|it| (it.kind, it.message.clone()));
            let (kind, message) =
                failure.ok_or_else(|| TestCaseError::fail(format!("{error:#}")))?;
            prop_assert_eq!(kind, FailureType::InvalidSpec);
            prop_assert!(message.len() < 33_000, "{} bytes", message.len());
            Ok(Err(message))
        }
    }
}

fn names(split: &Split) -> Vec<String> {
    split.plan.containers().map(ContainerPlan::path).collect()
}

#[test]
fn a_valid_spec_has_a_plan_with_every_container() {
    holds(1_000, recipes(), |recipe| {
        let split = read(recipe.kind, recipe.document())?.map_err(TestCaseError::fail)?;
        prop_assert_eq!(names(&split), recipe.names());
        Ok(())
    });
}

/// Every planted fault is found, and the message lists it or counts it.
fn names_all(kind: Kind, document: &Value, planted: &[String]) -> Result<(), TestCaseError> {
    let found = match plan::read(kind, document.clone()) {
        Ok(_) => return Err(TestCaseError::fail(format!("accepted in spite of {planted:?}"))),
        Err(faults) => faults.0,
    };
    for path in planted {
        let is_named = found.iter().any(|fault| fault.path == *path);
        prop_assert!(is_named, "`{}` is not among {:#?} of {}", path, found, document);
    }
    let message = read(kind, document.clone())?.expect_err("it is refused");
    let listed = found.iter().filter(|fault| message.contains(&format!("\n  {fault}"))).count();
    prop_assert_eq!(listed >= found.len().min(50), true, "{}", message);
    let more = format!("and {} more", found.len().saturating_sub(50));
    prop_assert_eq!(found.len() > 50, message.ends_with(&more), "{}", message);
    Ok(())
}

#[test]
fn each_planted_fault_is_named() {
    let picks = prop_oneof![
        30 => vec(any::<u16>(), 1..12),
        1 => vec(any::<u16>(), 80..160),
    ];
    holds(4_000, (recipes(), picks), |(recipe, picks)| {
        let mut document = recipe.document();
        let planted = plant(&recipe, &mut document, &picks);
        prop_assume!(!planted.is_empty());
        names_all(recipe.kind, &document, &planted)
    });
}

#[test]
fn a_missing_source_is_named_beside_other_faults() {
    holds(1_000, (recipes(), vec(any::<u16>(), 1..8)), |(recipe, picks)| {
        let mut document = recipe.document();
        let mut planted = plant(&recipe, &mut document, &picks);
        planted.retain(|path| !path.contains("source"));
        planted.extend(without_source(&recipe, &mut document));
        prop_assume!(!planted.is_empty());
        names_all(recipe.kind, &document, &planted)
    });
}

#[test]
fn a_spec_with_any_value_is_accepted_or_refused() {
    let kinds = prop_oneof![Just(Kind::App), Just(Kind::Component), Just(Kind::Container)];
    let changes = vec((any::<u16>(), any::<u8>()), 1..5);
    holds(3_000, (recipes(), changes, kinds, any::<u8>()), |(recipe, changes, other, odd)| {
        let mut document = recipe.document();
        changes.into_iter().for_each(|change| mutate(&mut document, change));
        let kind = if odd % 8 == 0 { other } else { recipe.kind };
        if let Ok(split) = read(kind, document)? {
            prop_assert!(!names(&split).is_empty());
        }
        Ok(())
    });
}

#[test]
fn a_text_with_any_bytes_is_accepted_or_refused() {
    let changes = vec((any::<u16>(), any::<u8>()), 1..5);
    holds(1_000, (recipes(), changes), |(recipe, changes)| {
        let mut text = recipe.document().to_string().into_bytes();
        changes.into_iter().for_each(|change| bite(&mut text, change));
        match parse(&text) {
            Ok(document) => drop(read(recipe.kind, document)?),
            Err(faults) => prop_assert_eq!(faults.0.len(), 1),
        }
        Ok(())
    });
}
